// Package gen makes believable shoppers: a seeded, deterministic stream of
// clickstream and order events in the order in which they would reach Kafka,
// with the defects real traffic has. The caller drives it by Next; it starts
// nothing, reads no clock and has nothing to flush.
package gen

import (
	"math/rand/v2"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Event is one record on its way to Kafka.
type Event struct {
	Topic      schemas.Topic
	Key, Value []byte
	Time       time.Time // arrival: becomes the Kafka timestamp
	Headers    []Header
}

// Generator is a discrete simulation: visits begin by a Poisson process with
// the day's curve, each visit and each order is an actor with a next moment,
// and rendered records wait for their arrival time. Not for concurrent use.
type Generator struct {
	set  Settings
	rng  *rand.Rand
	run  uint64 // identity of this run: ids of two runs never meet
	now  int64  // Unix ms
	turn int64  // when the defects change next
	stop int64  // no visit begins at or after it; records arrive before it unless Finish

	storm   Defects // of SetStorm
	defects Defects // all that hold now

	shop  *catalogue
	curve dayCurve
	zone  zoneClock
	date  dateCache
	local dateCache // of times written with +08:00

	nextVisit float64 // Unix ms
	perMilli  float64 // candidates of visits per ms, before thinning
	visits    uint64
	visitors  uint64 // visitors seen so far
	orders    uint64
	events    uint64
	active    map[uint64]struct{} // visitors in a visit now

	actors   heap // due moments of shoppers and orders
	shoppers pool[shopper]
	open     pool[order]
	arrivals heap
	records  pool[record]

	stats Stats
	news  []news // by incident: what News has said
}

// New checks nothing: call Settings.Validate on what a user typed.
func New(s Settings) *Generator {
	s = s.withDefaults()
	g := &Generator{
		set: s, now: s.Start.UnixMilli(), stop: 1<<62 - 1,
		rng:    rand.New(rand.NewPCG(s.Seed, 0x73746f726570756c)),
		active: map[uint64]struct{}{},
		zone:   zoneClock{zone: s.Zone},
		date:   dateCache{day: -1 << 40}, local: dateCache{day: -1 << 40},
	}
	g.run = mix(s.Seed ^ mix(uint64(s.Start.UnixNano())))
	for _, c := range []byte(s.TenantID) { // two shops' events are never duplicates of each other
		g.run = mix(g.run ^ uint64(c))
	}
	if s.Duration > 0 {
		g.stop = g.now + s.Duration.Milliseconds()
	}
	g.shop = newCatalogue(s.Seed, s.SKUs)
	g.curve = newDayCurve(s.FlatDay)
	g.perMilli = s.Rate / eventsPerVisit / 1000 * g.curve.max
	g.nextVisit = float64(g.now)
	// A shop that opens with a past has visitors who come back.
	g.visitors = uint64(s.KnownVisitors)
	g.stats = newStats(s)
	g.news = make([]news, len(s.Incidents))
	g.turnWeather()
	g.scheduleVisit()
	return g
}

// Next writes the next record into e, in order of arrival, and says false when
// the stream has ended. The buffers of e are reused: whoever keeps a record
// hands in another Event.
func (g *Generator) Next(e *Event) bool {
	if g.set.MaxEvents > 0 && g.stats.Records >= g.set.MaxEvents {
		return false
	}
	for {
		due, actor := g.due()
		if g.arrivals.len() > 0 && (due < 0 || g.arrivals.first().at <= due) {
			if !g.set.Finish && g.arrivals.first().at >= g.stop {
				return false
			}
			g.emit(e)
			return true
		}
		if due < 0 {
			return false
		}
		if g.now = due; due >= g.turn {
			g.turnWeather()
		}
		switch {
		case !actor:
			g.beginVisit()
			g.scheduleVisit()
		default:
			it := g.actors.pop()
			if it.kind == actorShopper {
				g.stepShopper(it.slot)
			} else {
				g.stepOrder(it.slot)
			}
		}
	}
}

// Stats gives what has been emitted so far, counted by the generator itself.
func (g *Generator) Stats() *Stats { return &g.stats }

// due gives the next moment of the simulation, -1 if there is none, and
// whether an actor (not a new visit) owns it.
func (g *Generator) due() (int64, bool) {
	visit := int64(g.nextVisit)
	if g.nextVisit >= float64(g.stop) {
		visit = -1
	}
	if g.actors.len() == 0 {
		return visit, false
	}
	at := g.actors.first().at
	if visit >= 0 && visit < at {
		return visit, false
	}
	return at, true
}

// scheduleVisit draws the next start by thinning, which follows the curve
// exactly however low the rate.
func (g *Generator) scheduleVisit() {
	for {
		g.nextVisit += g.rng.ExpFloat64() / g.perMilli
		if g.nextVisit >= float64(g.stop) {
			return
		}
		if g.rng.Float64()*g.curve.max <= g.curve.at(g.zone.minute(int64(g.nextVisit))) {
			return
		}
	}
}

func (g *Generator) wake(kind uint8, slot int32, at int64) {
	g.events++
	g.actors.push(item{at: at, seq: g.events, slot: slot, kind: kind})
}

// emit hands the first waiting record out and counts it.
func (g *Generator) emit(e *Event) {
	it := g.arrivals.pop()
	r := g.records.at(it.slot)
	e.Topic = r.topic
	e.Time = time.UnixMilli(it.at).UTC()
	// Buffers change places, so that nothing is copied and nothing allocated.
	e.Key, r.key = r.key, e.Key[:0]
	e.Value, r.value = r.value, e.Value[:0]
	e.Headers = r.headers
	g.stats.count(r, len(e.Value), it.at)
	g.records.free(it.slot)
}

// chance says true with probability p.
func (g *Generator) chance(p float64) bool { return g.rng.Float64() < p }

// between draws a duration in ms, log-uniform: most are short, some are long.
func (g *Generator) between(lo, hi float64) int64 { return logUniform(g.rng, lo, hi) }
