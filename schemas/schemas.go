// Package schemas is the leaf: what an event, a fact and a metric point are.
// It decodes records into columns, defines every table and series, and knows
// nothing of Kafka clients, stores or time. Nobody starts it; it holds no state
// between calls other than the buffers a caller hands it.
package schemas

// Topic is one of the two input topics of a lane.
type Topic uint8

const (
	Clickstream Topic = iota
	OrdersTopic
	NumTopics
)

// String gives the metric label of the topic.
func (t Topic) String() string {
	if t == Clickstream {
		return "clickstream"
	}
	return "orders"
}

// Range is a half-open span of Kafka offsets [Start, End). Offsets inside it
// may be absent from the log (control records, compaction, aborted ones).
type Range struct{ Start, End int64 }

// Len counts the offsets of the range.
func (r Range) Len() int64 { return r.End - r.Start }

// Ranges holds one range per topic; it is the whole input of an epoch.
type Ranges [NumTopics]Range

// Empty says that no offset lies in any of the ranges.
func (r Ranges) Empty() bool { return r[0].Len() == 0 && r[1].Len() == 0 }

// Positions is the next offset to read, per topic.
type Positions [NumTopics]int64

// End gives the positions after the ranges.
func (r Ranges) End() Positions { return Positions{r[0].End, r[1].End} }

// Record is one Kafka record. Key, Value and Headers alias the buffers of the
// fetch they came from and are valid until their owner is released.
type Record struct {
	Offset    int64
	Timestamp int64 // Kafka record timestamp, Unix milliseconds
	Key       []byte
	Value     []byte // nil is a tombstone
	Headers   []byte // undecoded header section of the record (varint count, then pairs)
}
