package pipeline

import (
	"fmt"
	"maps"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// check judges a finished schedule: each record once, the ledger contiguous,
// every row what a single undisturbed run over the ledger's plans gives, and
// progress to the end of the log.
func (w *world) check() {
	if w.bad != "" {
		return
	}
	if !w.finished() {
		w.fail("no progress: head %v of logs %d and %d, %d live workers", w.head(), len(w.log[0]), len(w.log[1]), len(w.live()))
		return
	}
	head := w.head()
	if head == nil {
		return // retention took everything before the first epoch
	}
	plans, err := w.chain(head, 1)
	if err != nil {
		w.fail("ledger: %v", err)
		return
	}
	begin := plans[0].Ranges
	partly := false
	for i, p := range plans {
		for t, r := range p.Ranges {
			if i > 0 && r.Start != plans[i-1].Ranges[t].End {
				w.fail("ledger: epoch %d topic %d starts at %d, the one before ended at %d", p.Epoch, t, r.Start, plans[i-1].Ranges[t].End)
				return
			}
			for o := r.Start; o < r.End; o++ {
				// A record below the log start may have been lost to a gap or
				// to an epoch in doubt that retention has reached.
				if p.Kind.Gap() || o < w.start[t] {
					w.lost[schemas.RowPosition{Topic: schemas.Topic(t), Offset: o}] = true
					partly = true
				}
			}
		}
	}
	w.checkOnce(begin)
	if w.bad == "" && !partly && begin == (schemas.Ranges{{Start: 0, End: begin[0].End}, {Start: 0, End: begin[1].End}}) {
		w.checkContent(plans)
	}
}

// checkOnce counts what became of every record. A copy has no row if its event
// stands from a record before it.
func (w *world) checkOnce(begin schemas.Ranges) {
	for t := range w.log {
		stands := map[int]bool{} // or may have been lost
		for o := begin[t].Start; o < int64(len(w.log[t])); o++ {
			pos := schemas.RowPosition{Topic: schemas.Topic(t), Offset: o}
			n := map[string]int{}
			for _, ft := range []fakeTable{tFacts, tSecond, tLetters} {
				for _, r := range w.tables[ft] {
					if r.pos != pos {
						continue
					}
					name := fakeNames[ft]
					if r.refused {
						name = "refused"
					}
					n[name]++
				}
			}
			first, second := n["facts"]+n["letters"], n["second"]+n["refused"]
			want := 0
			if w.log[t][o].id%2 == 1 {
				want = n["facts"]
			}
			id := w.log[t][o].id
			switch {
			case first > 1 || second > 1:
				w.fail("TWICE: topic %d offset %d: %v", t, o, n)
			case n["facts"] > 0 && w.fact(schemas.Topic(t), id, o):
				w.fail("TWICE: topic %d offset %d: a copy of record %d became a fact", t, o, id)
			case stands[id] && first+second == 0:
			case w.lost[pos]:
			case first == 0:
				w.fail("LOST: topic %d offset %d: %v", t, o, n)
			case second != want:
				w.fail("TORN: topic %d offset %d: %v", t, o, n)
			}
			if w.bad != "" {
				return
			}
			stands[id] = stands[id] || n["facts"] > 0 || w.lost[pos]
		}
	}
}

// checkContent compares every row with an undisturbed run over the plans.
func (w *world) checkContent(plans []checkpoint.Plan) {
	// Settings change where a snapshot that some plan names says so.
	salts := map[schemas.ID]uint64{}
	for _, p := range append(plans, *w.head()) {
		snap := w.snapshot(p.Snapshot)
		if snap == nil {
			w.fail("ledger: %v names a snapshot that is not there", &p)
			return
		}
		salts[snap.Plan] = saltOf(snap)
	}
	engine := &toyEngine{wm: -100, salt: salts[schemas.ID{}]}
	batch := schemas.NewBatch(modelVocabulary)
	out := &transform.Output{Sessions: schemas.NewSessions(modelVocabulary), Refunds: schemas.NewRefunds(modelVocabulary), Late: schemas.NewLate(modelVocabulary)}
	source := &fakeSource{&proc{w: w}}
	want, got := map[string]int{}, map[string]int{}
	for _, p := range plans {
		batch.Reset()
		in := source.read(p.Ranges)
		if !p.Ranges.Empty() && in.CRC != p.CRC {
			w.fail("ledger: epoch %d has another checksum than its input", p.Epoch)
			return
		}
		for t := range in.Records {
			for i := range in.Records[t] {
				toyDecoder{}.Decode(schemas.Topic(t), &in.Records[t][i], batch)
			}
		}
		if p.Kind.Rebuild() {
			_, _ = engine.Survey(func(a *transform.Ask) (*transform.Past, error) {
				before := func(r row) bool { return r.epoch < p.Epoch }
				return w.past(a, before, before), nil
			})
			if _, err := engine.Rebuild(int(p.Transform), p.Epoch, out); err != nil {
				w.fail("rebuild: %v", err)
				return
			}
			w.rebuilds++
			for _, text := range sessionsOf(out.Sessions) {
				want[fmt.Sprintf("sessions %x %s", p.ID, text)]++
			}
		} else if err := engine.Apply(int(p.Transform), transform.Input{Epoch: p.Epoch, Batch: batch, Watermark: p.Watermark, Copies: p.Copies}, out); err != nil {
			w.fail("apply: %v", err)
			return
		}
		if salt, ok := salts[p.ID]; ok {
			engine.salt = salt
		}
		for i := range batch.Items.Rows() {
			want[fmt.Sprintf("facts %x %s", p.ID, batch.Items.ItemID.At(i))]++
		}
		for i := range out.Late.Rows() {
			if w.log[out.Late.Topic.Index[i]][out.Late.Offset[i]].refused {
				want[fmt.Sprintf("refused %x", p.ID)]++
				continue
			}
			want[fmt.Sprintf("second %x %s", p.ID, out.Late.EventID.At(i))]++
		}
		for i := range batch.Letters.Rows() {
			want[fmt.Sprintf("letters %x %s", p.ID, batch.Letters.Detail.At(i))]++
		}
	}
	for _, ft := range []fakeTable{tFacts, tSecond, tLetters, tSessions} {
		for _, r := range w.tables[ft] {
			if r.refused {
				got[fmt.Sprintf("refused %x", r.planID)]++
				continue
			}
			got[fmt.Sprintf("%s %x %s", fakeNames[ft], r.planID, r.text)]++
		}
	}
	if !maps.Equal(want, got) {
		w.fail("CONTENT: want %v, got %v", want, got)
	}
}

func saltOf(s *checkpoint.Snapshot) uint64 {
	body, err := unpack(s.Body, maxSnapshot)
	if err != nil {
		panic(err)
	}
	e, err := restoreToy(body)
	if err != nil {
		panic(err)
	}
	return e.(*toyEngine).salt
}
