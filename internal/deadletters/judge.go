package deadletters

import (
	"bytes"
	"fmt"
	"time"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
)

// Fate says what a replay does with a letter, and why; it indexes fateNames.
type Fate uint8

const (
	Send     Fate = iota
	Fact          // its event is a fact
	Replayed      // it, or another letter of its event, was sent before
	Twin          // another letter of this run has the same event
	Refused       // it would become a dead letter again
	Unfixed       // the fix file cannot be applied to it
	Gone          // the letter lacks bytes, and Kafka no longer has the record
	Waits         // the lane still remembers the event and would drop it as a copy
	Parts         // other rows of the record stand and would be stored twice
	NoRecord      // a row that no record caused
	numFates
)

// fateNames are the words of reports.
var fateNames = [numFates]string{"send", "fact", "replayed", "twin", "refused", "unfixed", "gone", "waits", "parts", "no_record"}

func (f Fate) String() string { return fateNames[f] }

// Class says what a lane will make of the event by its time.
type Class uint8

const (
	InTime  Class = iota // folded into its session
	Late                 // outside the merge horizon: its sessions are rebuilt
	TooLate              // over 72 h: stored and flagged, in no session
	Order                // applied to its order however late
	numClasses
)

// classNames are the words of reports.
var classNames = [numClasses]string{"in time", "late", "too late", "order"}

func (c Class) String() string { return classNames[c] }

// Verdict is a letter with what would be sent for it.
type Verdict struct {
	Letter Letter
	Fate   Fate
	Why    string // for a person; empty for Send
	Reason string // of Refused: what it would be refused for
	Class  Class  // of Send

	Topic     schemas.Topic
	Partition uint32 // where its key leads
	Key       []byte
	Value     []byte
	Headers   []records.Header // of the record, if Kafka still has it
	Time      time.Time        // the record's own, which the event keeps
	ID        string
	Source    string
	EventTime int64
	Before    []byte // the bytes that the fix was applied to
	Rules     []int  // of the fix file that matched

	section []byte // the headers as they were encoded
	dedup   schemas.ID
	visitor schemas.ID
	found   *records.Position // where an earlier run's record stands
}

// judge decodes letters as a worker would.
type judge struct {
	topics  [schemas.NumTopics]string
	fix     *Fix
	voc     *schemas.Vocabulary
	decoder *schemas.Decoder
	batch   *schemas.Batch
}

func newJudge(voc *schemas.Vocabulary, fix *Fix) *judge {
	return &judge{topics: voc.Topics, fix: fix, voc: voc, decoder: schemas.NewDecoder(voc), batch: schemas.NewBatch(voc)}
}

// needsOriginal says that the letter alone may not have the whole record:
// without an id to be seen, some of the event may be in the headers.
func needsOriginal(l *Letter) bool {
	return !l.whole() || len(l.Key) == 0 || len(l.EventID) == 0 || l.Reason == schemas.ReasonUnsupportedMode.String()
}

// isOriginal tells the letter's record from another one at its position: the
// topic may have been made anew.
func isOriginal(l *Letter, r *records.Record) bool {
	return len(r.Value) == int(l.ValueBytes) && bytes.Equal(r.Key, l.Key) && max(r.Timestamp, 0) == l.Received.UnixMilli()
}

// judge fills in the verdict as far as the letter, its record (nil if Kafka no
// longer has it) and the fix decide it.
func (j *judge) judge(l Letter, original *records.Record) Verdict {
	v := Verdict{Letter: l, Key: l.Key, Time: l.Received, Before: l.Value}
	topic, ok := records.TopicOf(l.Topic, j.topics)
	if !ok {
		return v.is(Refused, "its topic is not configured: kafka.topics has %q", j.topics)
	}
	v.Topic = topic
	if l.ValueBytes == 0 {
		return v.is(NoRecord, "the row came of the watermark, not of a record")
	}
	if original != nil && isOriginal(&l, original) {
		v.Key, v.Before, v.Time = original.Key, original.Value, time.UnixMilli(original.Timestamp)
		v.Headers, v.section = original.Headers, original.Section
	} else if len(l.Value) >= schemas.MaxLetterBytes && !l.whole() {
		return v.is(Gone, "the letter has %d of %d bytes, and Kafka no longer has the record", len(l.Value), l.ValueBytes)
	}
	out := j.mend(v)
	if out.Reason == schemas.ReasonPII.String() && len(l.Value) < schemas.MaxLetterBytes && !bytes.Equal(v.Before, l.Value) {
		// The record has what must not enter; the letter was freed of it.
		v.Before = l.Value
		out = j.mend(v)
	}
	return out
}

func (v Verdict) is(f Fate, format string, args ...any) Verdict {
	v.Fate, v.Why = f, fmt.Sprintf(format, args...)
	return v
}

// mend applies the fix and decodes what comes of it.
func (j *judge) mend(v Verdict) Verdict {
	var err error
	about := subject{Reason: v.Letter.Reason, Field: v.Letter.Field, Type: v.Letter.Type, Topic: v.Topic}
	if v.Value, v.Rules, err = j.fix.mend(about, v.Before); err != nil {
		return v.is(Unfixed, "%v", err)
	}
	reason := j.decode(&v)
	if reason == schemas.ReasonWrongTopic {
		v.Topic = 1 - v.Topic // the topic of its type
		reason = j.decode(&v)
	}
	if reason != schemas.ReasonNone {
		v.Reason = reason.String()
		field, detail := string(j.batch.Letters.Field.At(0)), string(j.batch.Letters.Detail.At(0))
		if field != "" {
			detail = field + ": " + detail
		}
		return v.is(Refused, "%s: %s", reason, detail)
	}
	return v
}

// decode reads the value as the worker will and takes over what identifies it.
func (j *judge) decode(v *Verdict) schemas.Reason {
	j.batch.Reset()
	rec := &schemas.Record{Key: v.Key, Value: v.Value, Headers: v.section, Timestamp: v.Time.UnixMilli()}
	if reason := j.decoder.Decode(v.Topic, rec, j.batch); reason != schemas.ReasonNone {
		return reason
	}
	var anonymous, user, order []byte
	if v.Topic == schemas.Clickstream {
		e := j.batch.Events
		v.ID, v.Source, v.EventTime, v.dedup, v.visitor = string(e.EventID.At(0)), string(e.Source.At(0)), e.Time[0], e.Dedup[0], e.Visitor[0]
		anonymous, user, order = e.AnonymousID.At(0), e.UserID.At(0), e.OrderID.At(0)
	} else {
		o := j.batch.Orders
		v.ID, v.Source, v.EventTime, v.dedup, v.visitor = string(o.EventID.At(0)), string(o.Source.At(0)), o.Time[0], o.Dedup[0], o.Visitor[0]
		anonymous, user, order = o.Anonymous.At(0), o.UserID.At(0), o.OrderID.At(0)
	}
	for _, key := range [][]byte{anonymous, user, order} {
		if len(v.Key) == 0 {
			v.Key = bytes.Clone(key)
		}
	}
	return schemas.ReasonNone
}
