package soak

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// storms are weathers of the feed: while one holds, records are doubled, held
// back, accompanied by rubbish or dated wrongly. Which records it meets depends
// on when it begins, which no seed decides.
type storms struct {
	mu struct {
		sync.Mutex
		rng     *rand.Rand
		force   [numKinds]float64 // 0 = calm
		recent  []gen.Event       // ring of what was sent
		next    int
		held    []heldEvent
		emitted int
	}
}

type heldEvent struct {
	gen.Event
	until time.Time // simulated
}

// recentEvents is how far back a storm of duplicates reaches.
const recentEvents = 20_000

func (s *storms) init(seed uint64) { s.mu.rng = rand.New(rand.NewPCG(seed, 0x73746f726d)) }

// set begins a storm, or ends it with force 0.
func (s *storms) set(k Kind, force float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.force[k] = force
}

// pass appends to the batch what becomes of an event: itself, most often.
func (s *storms) pass(batch []gen.Event, e gen.Event) []gen.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	rng, now := s.mu.rng, e.Time
	if f := s.mu.force[StormSkew]; f > 0 && rng.Float64() < 0.3 {
		e.Value = skew(rng, e.Value)
	}
	late := false
	if f := s.mu.force[StormLate]; f > 0 && rng.Float64() < 0.1+0.4*f {
		s.mu.held = append(s.mu.held, heldEvent{e, now.Add(time.Duration(rng.Float64() * f * float64(maxHeld)))})
		late = true
	}
	if !late {
		batch = append(batch, e)
		if len(s.mu.recent) < recentEvents {
			s.mu.recent = append(s.mu.recent, e)
		} else {
			s.mu.recent[s.mu.next] = e
			s.mu.next = (s.mu.next + 1) % recentEvents
		}
	}
	if f := s.mu.force[StormDuplicate]; f > 0 {
		for range rng.IntN(2 + int(4*f)) {
			if n := len(s.mu.recent); n > 0 {
				c := s.mu.recent[rng.IntN(n)]
				c.Time = now
				batch = append(batch, c)
			}
		}
	}
	if f := s.mu.force[StormPoison]; f > 0 && rng.Float64() < 0.1+0.4*f {
		batch = append(batch, poison(rng, e))
	}
	return s.due(batch, now)
}

// maxHeld is how late, in simulated time, a storm lets records come: within
// the merge horizon.
const maxHeld = 90 * time.Minute

// due appends the held records whose time has come.
func (s *storms) due(batch []gen.Event, now time.Time) []gen.Event {
	kept := s.mu.held[:0]
	for _, h := range s.mu.held {
		if h.until.After(now) {
			kept = append(kept, h)
			continue
		}
		h.Time = now
		batch = append(batch, h.Event)
	}
	s.mu.held = kept
	return batch
}

// release appends everything that is still held.
func (s *storms) release(batch []gen.Event, now time.Time) []gen.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.mu.held {
		s.mu.held[i].until = time.Time{}
	}
	return s.due(batch, now)
}

// skew moves the text of time by up to ten minutes either way: what the client
// says is what counts, within bounds.
func skew(rng *rand.Rand, value []byte) []byte {
	const name = `"time":"`
	i := bytes.Index(value, []byte(name))
	if i < 0 || len(value) < i+len(name)+20 {
		return value
	}
	minute := value[i+len(name)+len("2026-11-10T18:"):]
	if minute[0] < '0' || minute[0] > '5' || minute[1] < '0' || minute[1] > '9' {
		return value
	}
	m := int(minute[0]-'0')*10 + int(minute[1]-'0') + rng.IntN(21) - 10
	m = min(max(m, 0), 59)
	minute[0], minute[1] = byte('0'+m/10), byte('0'+m%10)
	return value
}

// poison makes a record that no decoder takes, under the key of a real one.
func poison(rng *rand.Rand, e gen.Event) gen.Event {
	p := gen.Event{Topic: schemas.Topic(rng.IntN(int(schemas.NumTopics))), Key: e.Key, Time: e.Time}
	switch rng.IntN(8) {
	case 0:
		p.Value = e.Value[:rng.IntN(len(e.Value))]
	case 1:
		p.Value = make([]byte, 1+rng.IntN(300))
		for i := range p.Value {
			p.Value[i] = byte(rng.Uint32())
		}
	case 2:
		p.Value = bytes.Repeat([]byte(`{"a":`), 1000+rng.IntN(20_000))
	case 3:
		p.Value = append(bytes.Repeat([]byte{' '}, 300<<10), e.Value...) // over the limit of a record
	case 4:
		p.Value = []byte{}
	case 5:
		p.Value = nil // a tombstone
	case 6:
		p.Value = []byte(`{"id":"\ud800","source":"/x","type":"page_view","time":"2026-02-30T25:00:00Z"}`)
	default:
		p.Value = []byte(`[[[]]]`)
	}
	return p
}
