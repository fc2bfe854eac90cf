package verify

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
)

// Report is what a comparison found.
type Report struct {
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"`
	Lanes    []*Lane   `json:"lanes"`
	Findings []Finding `json:"findings"`
	More     int       `json:"more_findings,omitempty"` // beyond those listed
	Notes    []string  `json:"notes,omitempty"`
	Orders   int64     `json:"orders"`
}

// Lane is the balance of one lane over the epochs compared.
type Lane struct {
	Lane      uint32  `json:"lane"`
	Head      uint64  `json:"head"`
	First     uint64  `json:"first"`
	Last      uint64  `json:"last"`
	Done      uint64  `json:"epochs"` // of them known to be done
	Void      uint64  `json:"void_plans,omitempty"`
	Unsaid    uint64  `json:"outcome_unknown,omitempty"`
	InHand    *InHand `json:"in_hand,omitempty"`
	Watermark int64   `json:"watermark"` // of the head, Unix ms

	Balance  Balance  `json:"balance"`
	Log      *LogLane `json:"kafka,omitempty"`
	Records  int64    `json:"records_read,omitempty"`
	Unread   uint64   `json:"epochs_no_longer_in_kafka,omitempty"`
	Visitors Visitors `json:"visitors"`
}

// InHand is the plan that nobody has said to be done: shown, not judged.
type InHand struct {
	Epoch  uint64           `json:"epoch"`
	Plan   string           `json:"plan_id"`
	Ranges map[string]Range `json:"ranges"`
}

// Balance is the ledger of done epochs against the tables, per topic.
type Balance struct {
	Consumed [schemas.NumTopics]int64 `json:"consumed"` // offsets of the ranges
	Ledger   checkpoint.Counts        `json:"ledger"`
	Facts    [schemas.NumTopics]int64 `json:"rows"`    // of fact_events and fact_order_events
	Letters  [schemas.NumTopics]int64 `json:"letters"` // rows of dead_letters, those of refused rows excepted
	Compared [schemas.NumTopics]int64 `json:"compared"`
}

// Add adds up.
func (b *Balance) Add(o *Balance) {
	b.Ledger.Add(&o.Ledger)
	for t := range b.Consumed {
		b.Consumed[t] += o.Consumed[t]
		b.Facts[t] += o.Facts[t]
		b.Letters[t] += o.Letters[t]
		b.Compared[t] += o.Compared[t]
	}
}

// Visitors says how far sessions were compared with events.
type Visitors struct {
	Agree   uint64 `json:"agree"`
	Open    uint64 `json:"open"`    // nothing of them is closed yet, or they went on meanwhile
	Pending uint64 `json:"pending"` // agree but for late events that wait for a rebuild
	Skipped uint64 `json:"skipped"` // approximate sessions, or events beyond their TTL
	Differ  uint64 `json:"differ"`
}

// LogLane is what Kafka says of a lane, per topic.
type LogLane struct {
	Start     schemas.Positions `json:"log_start"`
	End       schemas.Positions `json:"log_end"`
	Next      schemas.Positions `json:"next"` // position after the last plan
	Committed schemas.Positions `json:"committed"`
}

// Range of offsets, the end exclusive.
type Range struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// Finding is one thing that differs. Epoch 0 is none in particular.
type Finding struct {
	Lane   uint32           `json:"lane"`
	Epoch  uint64           `json:"epoch,omitempty"`
	Plan   string           `json:"plan_id,omitempty"`
	Ranges map[string]Range `json:"ranges,omitempty"`
	Check  string           `json:"check"` // chain, ledger, tables, sessions, orders, kafka, records
	Table  string           `json:"table,omitempty"`
	What   string           `json:"what"`
	Remedy string           `json:"remedy"`

	events [schemas.NumTopics]int64 // that are missing or too many
}

// maxFindings bounds the report; further ones are counted.
const maxFindings = 1000

func (r *Report) add(f Finding) {
	if len(r.Findings) >= maxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Agrees says that nothing differs.
func (r *Report) Agrees() bool { return len(r.Findings) == 0 }

// Total adds the lanes up.
func (r *Report) Total() (b Balance) {
	for _, l := range r.Lanes {
		b.Add(&l.Balance)
	}
	return b
}

// finding begins one about an epoch.
func (l *laneCheck) finding(e *epoch, check, table, what, remedy string) Finding {
	f := Finding{Lane: l.Lane.Lane, Epoch: e.number(), Check: check, Table: table, What: what, Remedy: remedy}
	if e.known {
		f.Plan = planID(e.plan.ID)
	}
	if e.known && !e.missing {
		f.Ranges = rangesOf(e.plan.Ranges)
	}
	return f
}

func planID(id schemas.ID) string { return hex.EncodeToString(id[:]) }

func rangesOf(r schemas.Ranges) map[string]Range {
	m := make(map[string]Range, len(r))
	for t := range r {
		m[schemas.Topic(t).String()] = Range{r[t].Start, r[t].End}
	}
	return m
}

// list writes at most some of the items.
func list[T any](items []T, most int, format func(T) string) string {
	var b strings.Builder
	for i, it := range items {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(items)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(format(it))
	}
	return b.String()
}
