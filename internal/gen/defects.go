package gen

import (
	"bytes"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// record is a rendered event on its way to its arrival.
type record struct {
	topic    schemas.Topic
	kind     schemas.Kind
	fate     fate
	reason   schemas.Reason // of a broken record
	amount   int64          // payable, paid or refunded, minor units
	at       int64          // when it happened, Unix ms
	arrives  int64
	key      []byte
	value    []byte
	timeFrom int32 // where the text of time begins in value
	test     bool
	skewed   bool // by a client whose clock is wrong and not corrected
	lost     bool // the client could not send it
	stale    bool // a copy that comes when its original has left the state
	headers  []Header
}

// fate is what happens to a record beside being itself.
type fate uint8

const (
	fateNormal fate = iota
	fateDuplicate
	fateBroken
	fateFuture
	fateLate
	fateTooLate
)

// travel decides how long the record is on its way from the client to Kafka.
func (g *Generator) travel(r *record) {
	d := &g.defects
	r.arrives = r.at + g.between(30, 900)
	if d.Late+d.TooLate == 0 {
		return
	}
	switch x := g.rng.Float64(); {
	case x < d.Late:
		r.fate = fateLate
		r.arrives += g.between(10*60_000, 12*3600_000)
	case x < d.Late+d.TooLate:
		r.fate = fateTooLate
		r.arrives += g.between(73*3600_000, 120*3600_000)
	}
}

// send applies the defects and puts the record, and what accompanies it, in
// the queue of arrivals.
func (g *Generator) send(slot int32) {
	d := &g.defects
	x := g.rng.Float64()
	if x >= d.sum() {
		g.deliver(slot)
		return
	}
	r := g.records.at(slot)
	switch {
	case x < d.OutOfOrder:
		// Only the way to Kafka is slow: with a pair of times the event time stays.
		r.arrives += g.between(2000, 90_000)
	case x < d.OutOfOrder+d.Future:
		if r.topic == schemas.Clickstream && !bytes.Contains(r.value, []byte(`"senttime"`)) {
			r.fate = fateFuture
			copy(r.value[r.timeFrom:], "2032") // a leap year: the day exists
		}
	case x < d.OutOfOrder+d.Future+d.Duplicate:
		g.duplicate(slot)
	case x < d.OutOfOrder+d.Future+d.Duplicate+d.Broken:
		b := &breakages[g.rng.IntN(len(breakages))]
		if b.topic != r.topic && !b.any {
			b = &breakages[0]
		}
		g.breakCopy(slot, b)
	case x < d.OutOfOrder+d.Future+d.Duplicate+d.Broken+d.Poison:
		g.breakCopy(slot, g.poison(r.topic))
	default:
		g.repeat(slot)
	}
	g.deliver(slot)
}

func (d *Defects) sum() float64 {
	return d.Duplicate + d.OutOfOrder + d.Future + d.Broken + d.Poison + d.Repeated
}

func (g *Generator) deliver(slot int32) {
	g.events++
	if g.records.at(slot).lost {
		g.records.free(slot)
		return
	}
	g.arrivals.push(item{at: g.records.at(slot).arrives, seq: g.events, slot: slot})
}

// copyOf makes a second record with the same bytes.
func (g *Generator) copyOf(slot int32) (int32, *record) {
	second := g.records.take()
	from, to := g.records.at(slot), g.records.at(second)
	key, value := append(to.key[:0], from.key...), append(to.value[:0], from.value...)
	*to = *from
	to.key, to.value = key, value
	return second, to
}

// duplicate delivers the record once more: a client's retry, seconds later or,
// from an app that never saw the answer, hours.
func (g *Generator) duplicate(slot int32) {
	second, r := g.copyOf(slot)
	r.fate = fateDuplicate
	r.arrives += g.between(50, 20*60_000)
	g.deliver(second)
}

// breakCopy sends a damaged relative of the record. The good one goes as well,
// so that what must be counted stays known.
func (g *Generator) breakCopy(slot int32, b *breakage) {
	second, r := g.copyOf(slot)
	copy(r.value[len(`{"id":"`):], "broken") // an id of its own
	r.fate, r.reason = fateBroken, b.reason
	r.value = b.damage(r)
	r.arrives += g.between(1, 5000)
	g.deliver(second)
}

// breakage is one way to be wrong and the reason the decoder must give.
type breakage struct {
	reason schemas.Reason
	topic  schemas.Topic
	any    bool
	damage func(*record) []byte
}

// set gives a field another value, or adds it: a record must not hold a name twice.
func set(name, value string) func(*record) []byte {
	return func(r *record) []byte {
		if old := `"` + name + `":`; bytes.Contains(r.value, []byte(old)) {
			r.value = replace(r.value, old, `"`+name+`_was":`)
		}
		return append(append(r.value[:len(r.value)-1], `,"`+name+`":`+value...), '}')
	}
}

// replace swaps the first occurrence of a text.
func replace(v []byte, old, with string) []byte {
	return bytes.Replace(v, []byte(old), []byte(with), 1)
}

// breakages are chosen from anew for every broken record. Those of the orders
// topic alone fall back to the first where they do not fit.
var breakages = []breakage{
	{reason: schemas.ReasonBadJSON, any: true, damage: func(r *record) []byte { return r.value[:len(r.value)*2/3] }},
	{reason: schemas.ReasonMissingRequired, any: true, damage: func(r *record) []byte { return replace(r.value, `"source":`, `"sauce":`) }},
	{reason: schemas.ReasonBadType, any: true, damage: set("platform", `["h5"]`)},
	{reason: schemas.ReasonBadTime, any: true, damage: set("time", `"1970-01-01T00:00:00.000Z"`)},
	{reason: schemas.ReasonUnknownType, any: true, damage: set("type", `"warp_drive"`)},
	{reason: schemas.ReasonPII, any: true, damage: set("phone", `"13800138000"`)},
	{reason: schemas.ReasonWrongTopic, any: true, damage: func(r *record) []byte {
		if r.topic == schemas.Clickstream {
			return set("type", `"order.updated"`)(r)
		}
		return set("type", `"page_view"`)(r)
	}},
	{reason: schemas.ReasonUnknownTenant, any: true, damage: set("tenantid", `"nobody"`)},
	{reason: schemas.ReasonBadCurrency, topic: schemas.OrdersTopic, damage: set("currency", `"XX9"`)},
	{reason: schemas.ReasonBadMoney, topic: schemas.OrdersTopic, damage: set("goods_amount", `"12.345"`)},
	{reason: schemas.ReasonTooManyItems, topic: schemas.OrdersTopic, damage: set("items", `[`+manyItems+`]`)},
}

var manyItems = strings.TrimSuffix(strings.Repeat(`{"item_id":"S00001"},`, 201), ",")
