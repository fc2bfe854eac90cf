package judge

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

// farAhead is how far before its arrival an event's time may lie (docs/events.md, Times).
const farAhead = 5 * 60 * 1000 // ms

// happened is the event's time as docs/events.md defines it; stamp is its
// record's Kafka timestamp.
func happened(stated, sent, received, stamp int64, receivedStated bool) int64 {
	t := stated
	if sent > 0 && receivedStated {
		t = received - (sent - stated)
	}
	clocks := []int64{received}
	if stamp >= schemas.Earliest {
		clocks = append(clocks, stamp)
	}
	for _, clock := range clocks {
		if t > clock+farAhead {
			return slices.Min(clocks)
		}
	}
	return t
}

// judgeRecords decodes every record in the order of its log: the first copy of
// an event is the event. It compares facts and dead letters and collects what
// orders and sessions are made of.
func (j *judgement) judgeRecords(_ context.Context, records Records) error {
	batch, decoder := schemas.NewBatch(j.Vocabulary), schemas.NewDecoder(j.Vocabulary)
	seen := map[string]bool{}
	lateness := newLateness(j)
	for i := range records {
		r := &records[i]
		if len(r.Value) == 0 {
			continue // a tombstone: nothing is stored
		}
		at := position{r.Topic, r.Partition, r.Offset}
		batch.Reset()
		if reason := decoder.Decode(r.Topic, &r.Record, batch); reason != schemas.ReasonNone {
			j.report.Letters++
			j.judgeLetter(at, reason.String())
			continue
		}
		var source, id string
		var want fact
		if r.Topic == schemas.Clickstream {
			source, id, want = j.clickFact(batch.Events, r.Timestamp)
		} else {
			source, id, want = j.orderFact(batch.Orders, r.Timestamp)
		}
		behind := lateness.pass(at, want.Time)
		key := identity(r.Topic, source, id, want.Visitor)
		if seen[r.Topic.String()+key] {
			j.report.Copies++
			continue
		}
		seen[r.Topic.String()+key] = true
		j.report.Events++
		class := "none"
		if fact := j.judgeFact(at, key, name{source, id}, want); fact != nil {
			class = fact.late
			lateness.judge(fact, name{source, id}, want.Time, behind)
		}
		j.expectLines(at, batch, class)
		if r.Topic == schemas.OrdersTopic {
			j.collectOrder(at, batch.Orders, want)
		}
		j.collectSession(batch, class)
	}
	j.judgeInvented()
	j.judgeStrayLetters()
	return nil
}

// clickFact is the row that the one decoded click must become.
func (j *judgement) clickFact(e *schemas.Events, stamp int64) (source, id string, want fact) {
	e.Time[0] = happened(e.Time[0], e.Sent[0], e.Received[0], stamp, e.Explicit[0] != 0)
	tenant := e.Tenant.Index[0]
	return string(e.Source.At(0)), string(e.EventID.At(0)), fact{
		Tenant: j.Vocabulary.TenantNames[tenant], Type: e.Type.Names[e.Type.Index[0]], Currency: e.Currency.Names[e.Currency.Index[0]],
		Order: string(e.OrderID.At(0)), Visitor: uuid.UUID(e.Visitor[0]), User: e.User[0], Time: e.Time[0], Day: j.day(tenant, e.Time[0]),
		Value: e.Value[0], Quantity: int64(e.Quantity[0]), Test: e.IsTest[0] != 0, Internal: e.IsInternal[0] != 0, Bot: e.IsBot[0] != 0,
	}
}

// orderFact is the row that the one decoded order event must become.
func (j *judgement) orderFact(o *schemas.Orders, stamp int64) (source, id string, want fact) {
	o.Time[0] = happened(o.Time[0], o.Sent[0], o.Received[0], stamp, o.Explicit[0] != 0)
	tenant := o.Tenant.Index[0]
	return string(o.Source.At(0)), string(o.EventID.At(0)), fact{
		Tenant: j.Vocabulary.TenantNames[tenant], Type: o.Type.Names[o.Type.Index[0]], Currency: o.Currency.Names[o.Currency.Index[0]],
		Order: string(o.OrderID.At(0)), Visitor: uuid.UUID(o.Visitor[0]), User: o.User[0], Time: o.Time[0], Day: j.day(tenant, o.Time[0]),
		Refund: string(o.RefundID.At(0)), Version: o.Version[0], Rank: schemas.Kind(o.Kind[0]).StatusRank(),
		Goods: o.Goods[0], Discount: o.Discount[0], Freight: o.Freight[0], Tax: o.Tax[0], Payable: o.Payable[0], Paid: o.Paid[0], Refunded: o.Refund[0],
		CreatedAt: o.CreatedAt[0], PaidAt: o.PaidAt[0], Test: o.IsTest[0] != 0, Internal: o.IsInternal[0] != 0,
	}
}

// day is the shop's business day of a moment.
func (j *judgement) day(tenant uint8, ms int64) string {
	zone := j.Vocabulary.Tenants[tenant].Location
	if zone == nil {
		zone = time.UTC
	}
	return time.UnixMilli(ms).In(zone).Format(time.DateOnly)
}

// collectSession hands an event to the oracle's input. What came late belongs to
// the sessions, which were rebuilt; a click that is too late never does.
func (j *judgement) collectSession(batch *schemas.Batch, class string) {
	if batch.Events.Rows() > 0 && class == "too_late" {
		return
	}
	clicks, orders := oracle.Facts(batch)
	j.clicks, j.orderEvents = append(j.clicks, clicks...), append(j.orderEvents, orders...)
}

// lateness follows the newest event of each log.
type lateness struct {
	j      *judgement
	newest map[[2]int32]int64 // by topic and partition, Unix ms
}

func newLateness(j *judgement) *lateness { return &lateness{j, map[[2]int32]int64{}} }

// pass gives how far t lies behind the watermark of the records before it, in
// ms, and moves that on.
func (l *lateness) pass(at position, t int64) int64 {
	log := [2]int32{int32(at.topic), at.partition}
	newest, ok := l.newest[log]
	if !ok {
		newest = math.MinInt64 / 2
	}
	l.newest[log] = max(newest, t)
	return newest - l.j.OutOfOrder.Milliseconds() - t
}

const tooLate = 72 * 3600 * 1000 // ms

// judge holds the class that the store gives against the event's place in its
// log. What is so far behind may be none if it touches a session in state: the
// sessions decide that. What is flagged must be behind an earlier event of its
// topic and lane, or behind the watermark that the lane's idle time or a drain
// had moved on, which only the ledger knows.
func (l *lateness) judge(r *row, who name, t, behind int64) {
	rep := l.j.report
	horizon := l.j.MergeHorizon.Milliseconds()
	class := "none"
	switch {
	case behind > tooLate:
		class = "too_late"
	case behind > horizon:
		class = "late"
	}
	switch r.late {
	case "late":
		rep.Late++
	case "too_late":
		rep.TooLate++
	}
	if r.late == class || r.late == "none" && r.at.topic == schemas.Clickstream {
		return
	}
	if r.at.topic == schemas.Clickstream && r.late != "none" {
		if w, ok := l.j.watermarks[[2]uint64{uint64(r.at.partition), r.epoch - 1}]; ok {
			byLedger := max(behind, w-t)
			if r.late == "too_late" && byLedger > tooLate || r.late == "late" && byLedger > horizon && behind <= tooLate {
				return
			}
		}
	}
	rep.fail(&rep.LatenessWrong, "lateness: %s at %s is flagged %s, but lies %s behind the watermark of the records before it", who, r.at, r.late,
		time.Duration(behind)*time.Millisecond)
}

// diff is a readable difference of two values.
func diff(got, want any) string { return cmp.Diff(got, want) }
