package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
)

type fakeTable int

const (
	tLanes fakeTable = iota
	tEpochs
	tSnapshots
	tFacts  // fact_order_items
	tSecond // late_events: rows of odd ids
	tLetters
	tSessions
	numFakeTables
)

var fakeNames = [numFakeTables]string{"lanes", "epochs", "snapshots", "facts", "second", "letters", "sessions"}

var factTables = map[schemas.TableID]fakeTable{schemas.FactOrderItems: tFacts, schemas.LateEvents: tSecond, schemas.DeadLetters: tLetters, schemas.FactSessions: tSessions}

// row is one stored row of any table.
type row struct {
	term    uint64
	epoch   uint64
	planID  schemas.ID
	number  uint32
	pos     schemas.RowPosition
	text    string // what the row says
	bad     bool   // the store refuses it
	refused bool   // a dead letter that stands for a row of the second table
	ofRow   uint32
	plan    *checkpoint.Plan
	snap    *checkpoint.Snapshot
}

// message is an insert between a worker and the store.
type message struct {
	p     *proc
	table fakeTable
	term  uint64
	token string
	rows  []row
	begun bool // the fence has been evaluated
	gone  bool
	res   error
	ok    bool
}

// insert sends rows and waits for the outcome.
func (p *proc) insert(table fakeTable, term uint64, token string, rows []row) error {
	for i := range rows {
		rows[i].term = term
	}
	m := &message{p: p, table: table, term: term, token: token, rows: rows}
	p.w.msgs = append(p.w.msgs, m)
	for !m.ok && m.res == nil {
		p.step()
	}
	return m.res
}

func (m *message) reply(err error) {
	if m.ok || m.res != nil {
		return
	}
	if err == nil {
		m.ok = true
	} else {
		m.res = err
	}
}

func (w *world) maxTerm() (greatest uint64) {
	for _, r := range w.tables[tLanes] {
		greatest = max(greatest, r.term)
	}
	return greatest
}

func (w *world) remove(m *message) {
	m.gone = true
	w.msgs = slices.DeleteFunc(w.msgs, func(x *message) bool { return x == m })
}

// begin evaluates what the store checks when an insert begins.
func (w *world) begin(m *message) bool {
	if m.table != tLanes && w.maxTerm() != m.term && w.f.sabotage != noFence {
		w.remove(m)
		w.logf("   store: %s of %s refused by the fence", fakeNames[m.table], m.p.name)
		m.reply(fmt.Errorf("469: %w", sink.ErrFenced))
		return false
	}
	for _, r := range m.rows {
		if r.bad {
			w.remove(m)
			m.reply(&sink.RefusedError{Table: fakeNames[m.table], Code: 1, Text: "bad row"})
			return false
		}
	}
	m.begun = true
	return true
}

func (w *world) remember(t fakeTable, token string) {
	w.window[t] = append(w.window[t], token)
	if len(w.window[t]) > w.f.window {
		w.window[t] = w.window[t][1:]
	}
}

// land writes the rows as up to two parts; each part has its own token.
func (w *world) land(m *message, parts int) {
	for part := range parts {
		var rows []row
		for _, r := range m.rows {
			if int(r.number)%2 == part {
				rows = append(rows, r)
			}
		}
		token := fmt.Sprint(m.token, "#", part)
		if len(rows) == 0 {
			continue
		}
		if m.token != "" && slices.Contains(w.window[m.table], token) {
			w.logf("   store: %s %s dropped, known token", fakeNames[m.table], token)
			continue
		}
		w.tables[m.table] = append(w.tables[m.table], rows...)
		if m.token != "" {
			w.remember(m.table, token)
		}
		w.logf("   store: %s += %d rows by %s %v", fakeNames[m.table], len(rows), m.p.name, rows[0].plan)
	}
}

// deliver lets something happen to one message.
func (w *world) deliver() {
	if len(w.msgs) == 0 {
		return
	}
	m := w.msgs[w.r.Intn(len(w.msgs))]
	what := fmt.Sprintf("%s of %s", fakeNames[m.table], m.p.name)
	x := w.r.Intn(24)
	if w.quiet {
		x = 23
	}
	waiting := !m.ok && m.res == nil
	switch {
	case x == 0 && w.f.lost && !m.begun:
		w.remove(m)
		w.fault("%s lost, the worker times out", what)
		m.reply(sink.ErrUnknown)
	case x == 1 && w.f.lost:
		if m.begun || w.begin(m) {
			w.remove(m)
			w.fault("%s applied, an error comes back", what)
			w.land(m, 2)
			m.reply(sink.ErrUnknown)
		}
	case x == 2 && w.f.lost && !m.begun:
		w.remove(m)
		m.reply(sink.ErrNotApplied)
	case x == 3 && w.f.late && waiting:
		w.fault("%s still under way, the worker times out", what)
		m.reply(sink.ErrUnknown)
	case x == 4 && w.f.half && m.table >= tFacts:
		if m.begun || w.begin(m) {
			w.remove(m)
			w.fault("%s: only the first part is written", what)
			w.land(m, 1)
			m.reply(sink.ErrUnknown)
		}
	case x < 19 && (!waiting || m.p.dead || m.p.paused) && !w.quiet: // an orphan stays on its way
	case x >= 9 && x < 13 && w.f.late && !m.begun:
		w.begin(m)
	default:
		if m.begun || w.begin(m) {
			w.remove(m)
			w.land(m, 2)
			m.reply(nil)
		}
	}
}

// powerLoss: what was acknowledged survives; inserts under way do not, though
// their tokens may.
func (w *world) powerLoss() {
	for _, m := range slices.Clone(w.msgs) {
		if !m.begun {
			continue
		}
		w.remove(m)
		if w.r.Intn(2) == 0 && m.token != "" {
			w.remember(m.table, m.token+"#0")
			w.remember(m.table, m.token+"#1")
		}
		m.reply(sink.ErrUnknown)
	}
	w.fault("power loss")
}

type fakeLedger struct{ p *proc }

func (f *fakeLedger) MaxTerm(context.Context, uint32) (uint64, error) {
	f.p.step()
	greatest := f.p.w.maxTerm()
	for _, r := range f.p.w.tables[tEpochs] {
		greatest = max(greatest, r.term)
	}
	return greatest, nil
}

func (f *fakeLedger) Partitions(context.Context) (uint32, error) { return 1, nil }

func (f *fakeLedger) Claim(_ context.Context, _ uint32, term uint64, _ string, _ uint32) error {
	f.p.w.claims++
	f.p.idle = false
	return f.p.insert(tLanes, term, "", []row{{}})
}

func (f *fakeLedger) Owner(context.Context, uint32) (uint64, error) {
	f.p.step()
	return f.p.w.maxTerm(), nil
}

func (f *fakeLedger) Drain(_ context.Context, _ uint32, term uint64) error {
	for f.p.w.f.sabotage != noDrain && slices.ContainsFunc(f.p.w.msgs, func(m *message) bool { return m.begun && m.term < term && m.table != tLanes }) {
		f.p.step()
	}
	f.p.step()
	return nil
}

func (f *fakeLedger) Head(context.Context, uint32) (*checkpoint.Plan, error) {
	f.p.step()
	if h := f.p.w.head(); h != nil {
		c := *h
		f.p.w.spoilCopies(&c)
		return &c, nil
	}
	return nil, nil
}

func (f *fakeLedger) Chain(_ context.Context, _ uint32, head *checkpoint.Plan, from uint64) ([]checkpoint.Plan, error) {
	f.p.step()
	plans, err := f.p.w.chain(head, from)
	for i := range plans {
		f.p.w.spoilCopies(&plans[i])
	}
	return plans, err
}

// spoilCopies gives recovery other copies than those of the plan.
func (w *world) spoilCopies(p *checkpoint.Plan) {
	switch w.f.sabotage {
	case forgetCopies:
		p.Copies = [schemas.NumTopics][]int64{}
	case askAnew:
		for t, r := range p.Ranges {
			p.Copies[t] = nil
			for o := r.Start; o < r.End; o++ {
				if rec := w.log[t][o]; rec.old && w.fact(schemas.Topic(t), rec.id, 1<<62) {
					p.Copies[t] = append(p.Copies[t], o)
				}
			}
		}
	}
}

// fact says that an event stands from a record before the offset.
func (w *world) fact(t schemas.Topic, id int, before int64) bool {
	return slices.ContainsFunc(w.tables[tFacts], func(r row) bool {
		return r.pos.Topic == t && r.pos.Offset < before && w.log[t][r.pos.Offset].id == id
	})
}

func (w *world) chain(head *checkpoint.Plan, from uint64) ([]checkpoint.Plan, error) {
	plans := []checkpoint.Plan{*head}
	for c := head; c.Epoch > from; {
		i := slices.IndexFunc(w.tables[tEpochs], func(r row) bool { return r.plan.ID == c.Prev && r.plan.Epoch == c.Epoch-1 && !r.plan.Kind.Done() })
		if i < 0 {
			return nil, checkpoint.ErrBrokenChain
		}
		c = w.tables[tEpochs][i].plan
		plans = append(plans, *c)
	}
	slices.Reverse(plans)
	return plans, nil
}

func (f *fakeLedger) WritePlan(_ context.Context, p *checkpoint.Plan) error {
	c := *p
	c.Done = slices.Clone(p.Done)
	return f.p.insert(tEpochs, p.Term, fmt.Sprintf("%d/%d", p.Term, p.Seq), []row{{epoch: p.Epoch, planID: p.ID, plan: &c}})
}

func (f *fakeLedger) SaveSnapshot(_ context.Context, s *checkpoint.Snapshot) error {
	kept := *s
	kept.Body = slices.Clone(s.Body) // the lane uses the memory again
	s = &kept
	return f.p.insert(tSnapshots, s.Term, fmt.Sprintf("s%d/%d/%x", s.Term, s.Epoch, s.Plan), []row{{epoch: s.Epoch, planID: s.Plan, snap: s}})
}

func (f *fakeLedger) LoadSnapshot(_ context.Context, _ uint32, ref checkpoint.SnapshotRef) (*checkpoint.Snapshot, error) {
	f.p.step()
	return f.p.w.snapshot(ref), nil
}

// snapshot gives the one of the newest owner.
func (w *world) snapshot(ref checkpoint.SnapshotRef) (newest *checkpoint.Snapshot) {
	for _, r := range w.tables[tSnapshots] {
		if r.snap.SnapshotRef == ref && (newest == nil || r.snap.Term > newest.Term) {
			newest = r.snap
		}
	}
	return newest
}

func (f *fakeLedger) Snapshots(context.Context, uint32) ([]checkpoint.SnapshotRef, error) {
	f.p.step()
	var refs []checkpoint.SnapshotRef
	for _, r := range f.p.w.tables[tSnapshots] {
		refs = append(refs, r.snap.SnapshotRef)
	}
	slices.SortStableFunc(refs, func(a, b checkpoint.SnapshotRef) int { return int(b.Epoch) - int(a.Epoch) })
	return refs, nil
}

type fakeFacts struct{ p *proc }

// textColumn is the column that says what a toy row is about.
var textColumn = map[schemas.TableID]string{schemas.FactOrderItems: "item_id", schemas.LateEvents: "event_id", schemas.DeadLetters: "detail"}

func (f *fakeFacts) rows(stamp schemas.Stamp, table schemas.TableID, rec arrow.Record, numbers []uint32) []row {
	if numbers == nil {
		for i := range rec.NumRows() {
			numbers = append(numbers, uint32(i))
		}
	}
	column := func(name string) arrow.Array { return rec.Column(rec.Schema().FieldIndices(name)[0]) }
	var rows []row
	for _, i := range numbers {
		r := row{epoch: stamp.Epoch, planID: stamp.PlanID, number: i}
		if stamp.Numbers != nil {
			r.number = stamp.Numbers[i]
		}
		r.pos = schemas.RowPosition{Topic: schemas.Topic(rec.Column(0).(*array.Dictionary).GetValueIndex(int(i))), Offset: rec.Column(1).(*array.Int64).Value(int(i))}
		if table == schemas.FactSessions {
			r.text = sessionText(column("user_hash").(*array.Uint64).Value(int(i)), int64(column("start_time").(*array.Timestamp).Value(int(i))), column("is_deleted").(*array.Uint8).Value(int(i)))
			rows = append(rows, r)
			continue
		}
		r.text = strings.Clone(column(textColumn[table]).(*array.String).Value(int(i)))
		switch table {
		case schemas.DeadLetters:
			r.refused = column("refused_table").(*array.String).Value(int(i)) != ""
			r.ofRow = column("refused_row").(*array.Uint32).Value(int(i))
		case schemas.LateEvents:
			r.bad = f.p.w.log[r.pos.Topic][r.pos.Offset].refused
		}
		rows = append(rows, r)
	}
	return rows
}

func (f *fakeFacts) Insert(_ context.Context, _, token string, stamp schemas.Stamp, table schemas.TableID, rec arrow.Record, rows []uint32) error {
	list := f.rows(stamp, table, rec, rows)
	if f.p.w.f.sabotage == skipRefused {
		list = slices.DeleteFunc(list, func(r row) bool { return r.refused })
	}
	err := f.p.insert(factTables[table], stamp.Term, token, list)
	if f.p.w.f.sabotage == retryLost && errors.Is(err, sink.ErrUnknown) {
		return sink.ErrNotApplied
	}
	return err
}

func (f *fakeFacts) Probe(_ context.Context, table schemas.TableID, rec arrow.Record, rows []uint32) error {
	f.p.step()
	for _, r := range f.rows(schemas.Stamp{}, table, rec, rows) {
		if r.bad {
			return &sink.RefusedError{Table: schemas.TableName(table), Code: 1, Text: "bad row"}
		}
	}
	return nil
}

func (f *fakeFacts) Refeed(context.Context, string, schemas.Stamp) error { return nil }

func (f *fakeFacts) under(table schemas.TableID, stamp schemas.Stamp) (list []row) {
	f.p.step()
	ft, ok := factTables[table]
	if !ok {
		return nil
	}
	for _, r := range f.p.w.tables[ft] {
		if r.epoch == stamp.Epoch && r.planID == stamp.PlanID {
			list = append(list, r)
		}
	}
	return list
}

func (f *fakeFacts) Standing(_ context.Context, table schemas.TableID, stamp schemas.Stamp) (numbers []uint32, err error) {
	for _, r := range f.under(table, stamp) {
		numbers = append(numbers, r.number)
	}
	switch f.p.w.f.sabotage {
	case noDiff:
		return nil, nil
	case trustDone:
		numbers = numbers[:0]
		for i := range uint32(100) {
			numbers = append(numbers, i)
		}
	}
	return numbers, nil
}

func (f *fakeFacts) Positions(_ context.Context, table schemas.TableID, stamp schemas.Stamp) (list []schemas.RowPosition, err error) {
	for _, r := range f.under(table, stamp) {
		list = append(list, r.pos)
	}
	return list, nil
}

func (f *fakeFacts) Copies(_ context.Context, _ uint32, t schemas.Topic, refs []schemas.EventRef) (offsets []int64, err error) {
	f.p.step()
	w := f.p.w
	if w.f.lost && !w.quiet && w.r.Intn(6) == 0 {
		w.fault("a lookup of %s fails", f.p.name)
		return nil, errors.New("connection reset")
	}
	for _, r := range refs {
		id, _ := strconv.Atoi(string(r.ID))
		if w.f.sabotage != noLookup && w.fact(t, id, r.Offset) {
			offsets = append(offsets, r.Offset)
		}
	}
	return offsets, nil
}

func (f *fakeFacts) Refused(_ context.Context, stamp schemas.Stamp) (map[schemas.TableID][]uint32, error) {
	refused := map[schemas.TableID][]uint32{}
	for _, r := range f.under(schemas.DeadLetters, stamp) {
		if r.refused {
			refused[schemas.LateEvents] = append(refused[schemas.LateEvents], r.ofRow)
		}
	}
	return refused, nil
}

type fakePublisher struct{ p *proc }

func (f fakePublisher) Publish(uint32, *schemas.Deltas) { f.p.w.epochs++ }
func (f fakePublisher) Show(uint32, *schemas.Deltas)    {}
func (f fakePublisher) Drop(uint32)                     {}
