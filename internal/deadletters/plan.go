package deadletters

import (
	"context"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
)

// Kafka reads records; records.Reader is one.
type Kafka interface {
	Read(ctx context.Context, want []records.Position) (map[records.Position]*records.Record, error)
	Scan(ctx context.Context, topic string, partition uint32, span schemas.Range, visit func(*records.Record) bool) error
	Ends(ctx context.Context, partition uint32) (schemas.Positions, error)
	Partitions(ctx context.Context) (int, error)
}

// Settings are what a replay has to know of the pipeline.
type Settings struct {
	Vocabulary *schemas.Vocabulary
	Watermarks map[uint32]int64 // by lane, Unix ms
	Horizon    time.Duration    // merge horizon: older events are late
	// Remember is at least how long a lane knows an event's id after the end of
	// its visitor's activity.
	Remember time.Duration
}

// tooLate is when an event is stored and flagged, and in no session.
const tooLate = 72 * time.Hour

// Counts are what a replay would do, or has done.
type Counts struct {
	Fates   [numFates]int
	Classes [numClasses]int
	Reasons map[string]int // of Refused
	Rules   []int          // letters that each rule of the fix file matched
	Found   int            // of Replayed: sent by an interrupted run and not noted yet
}

func (c *Counts) add(v *Verdict) {
	c.Fates[v.Fate]++
	if v.found != nil {
		c.Found++
	}
	switch v.Fate {
	case Send:
		c.Classes[v.Class]++
	case Refused:
		if c.Reasons == nil {
			c.Reasons = map[string]int{}
		}
		c.Reasons[v.Reason]++
	}
	for _, r := range v.Rules {
		for len(c.Rules) <= r {
			c.Rules = append(c.Rules, 0)
		}
		c.Rules[r]++
	}
}

// planner judges letters page by page.
type planner struct {
	store      Store
	kafka      Kafka
	s          Settings
	judge      *judge
	partitions int
	open       map[records.Position]pending          // intents without an answer
	taken      map[schemas.Topic]map[schemas.ID]bool // events that this pass sends
}

func newPlanner(ctx context.Context, store Store, k Kafka, s Settings, fix *Fix) (*planner, error) {
	n, err := k.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	p := &planner{store: store, kafka: k, s: s, judge: newJudge(s.Vocabulary, fix), partitions: n, taken: map[schemas.Topic]map[schemas.ID]bool{
		schemas.Clickstream: {}, schemas.OrdersTopic: {},
	}}
	p.open, err = p.findPending(ctx)
	return p, err
}

// page judges letters that were received one after another.
func (p *planner) page(ctx context.Context, letters []Letter) ([]Verdict, error) {
	var want []records.Position
	for i := range letters {
		if needsOriginal(&letters[i]) {
			want = append(want, letters[i].Position)
		}
	}
	originals, err := p.kafka.Read(ctx, want)
	if err != nil {
		return nil, err
	}
	verdicts := make([]Verdict, len(letters))
	for i, l := range letters {
		verdicts[i] = p.judge.judge(l, originals[l.Position])
	}
	if err := p.known(ctx, verdicts); err != nil {
		return nil, err
	}
	for i := range verdicts {
		if err := p.settle(ctx, &verdicts[i]); err != nil {
			return nil, err
		}
	}
	return verdicts, nil
}

// known leaves out what is a fact, what was sent before, and what stands in parts.
func (p *planner) known(ctx context.Context, verdicts []Verdict) error {
	var events []event
	var positions, refused []records.Position
	var ids []string
	for i := range verdicts {
		v := &verdicts[i]
		positions = append(positions, v.Letter.Position)
		if v.Fate != Send {
			continue
		}
		events = append(events, event{v.Topic, v.Source, v.ID})
		ids = append(ids, v.ID)
		if v.Letter.Reason == schemas.ReasonRefused.String() {
			refused = append(refused, v.Letter.Position)
		}
	}
	slices.Sort(ids)
	standingFacts, err := facts(ctx, p.store, events)
	if err != nil {
		return err
	}
	before, err := readEarlier(ctx, p.store, positions, slices.Compact(ids))
	if err != nil {
		return err
	}
	parts := map[records.Position]string{}
	if len(refused) > 0 {
		if parts, err = standing(ctx, p.store, derived, refused); err != nil {
			return err
		}
	}
	for i := range verdicts {
		v := &verdicts[i]
		if at, ok := before.letters[v.Letter.Position]; ok {
			*v = v.is(Replayed, "sent before, as %s", at)
			continue
		}
		if v.Fate != Send {
			continue
		}
		if at, ok := standingFacts[event{v.Topic, v.Source, v.ID}]; ok {
			*v = v.is(Fact, "the event is a fact, from %s", at)
		} else if list := before.events[[2]string{v.Source, v.ID}]; len(list) > 0 {
			*v = v.is(Replayed, "another letter of the event was sent before, as %s", list[0])
		} else if table := parts[v.Letter.Position]; table != "" {
			*v = v.is(Parts, "rows of the record stand in %s and would be stored twice", table)
		} else if open, ok := p.open[v.Letter.Position]; ok && open.found != nil {
			v.found = open.found
			*v = v.is(Replayed, "an earlier run had sent it, as %s", open.found)
		} else if at, ok := p.foundFor(v); ok {
			*v = v.is(Replayed, "an earlier run had sent another letter of the event, as %s", at)
		}
	}
	return nil
}

// foundFor looks for the event among what interrupted runs turned out to have sent.
func (p *planner) foundFor(v *Verdict) (records.Position, bool) {
	for _, o := range p.open {
		if o.found != nil && o.id == v.ID && o.source == v.Source {
			return *o.found, true
		}
	}
	return records.Position{}, false
}

// settle decides what depends on the letters before it and on the lane's clock.
func (p *planner) settle(ctx context.Context, v *Verdict) error {
	if v.Fate != Send {
		return nil
	}
	if p.taken[v.Topic][v.dedup] {
		*v = v.is(Twin, "an earlier letter has the same event")
		return nil
	}
	v.Partition = p.partitionOf(v.Key)
	watermark, known := p.s.Watermarks[v.Partition]
	if v.Letter.Reason == schemas.ReasonRefused.String() {
		last, err := lastSeen(ctx, p.store, v)
		if err != nil {
			return err
		}
		if until := last + p.s.Remember.Milliseconds(); !known || watermark <= until {
			*v = v.is(Waits, "lane %d remembers the event until its watermark passes %s", v.Partition, time.UnixMilli(until).UTC().Format(time.DateTime))
			return nil
		}
	}
	p.taken[v.Topic][v.dedup] = true
	switch late := time.Duration(watermark-v.EventTime) * time.Millisecond; {
	case v.Topic == schemas.OrdersTopic:
		v.Class = Order
	case known && late > tooLate:
		v.Class = TooLate
	case known && late > p.s.Horizon:
		v.Class = Late
	}
	return nil
}

// partitionOf is where the producer's partitioner leads. Only a record that has
// no key at all could go anywhere; decoding has given each one.
func (p *planner) partitionOf(key []byte) uint32 {
	all := make([]int, p.partitions)
	for i := range all {
		all[i] = i
	}
	return uint32(kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, all...))
}

// Idle lists the lines of the fix file's rules that matched no letter.
func (c *Counts) Idle(f *Fix) []int {
	var lines []int
	for i, line := range f.Rules() {
		if i >= len(c.Rules) || c.Rules[i] == 0 {
			lines = append(lines, line)
		}
	}
	return lines
}
