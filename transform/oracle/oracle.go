// Package oracle is a slow, obvious sessionizer over plain structs: it sees all
// accepted events and orders at once, sorts them and loops. Tests compare the
// engine with it. It shares no code with the engine, only the rules of
// docs/design.md. Nobody starts it; it keeps nothing.
package oracle

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// Event is one accepted clickstream event; its time is corrected.
type Event struct {
	Tenant                              uint8
	Visitor                             schemas.ID
	Time                                int64 // Unix ms
	Key                                 uint64
	Kind                                schemas.Kind
	PageType, Channel, Platform, Region uint8
	User                                uint64
	Test, Internal, Bot                 bool
	Order                               uint64 // of order_submit and purchase
}

// OrderEvent is one accepted event of the orders topic.
type OrderEvent struct {
	Order             uint64
	Kind              schemas.Kind
	Time              int64 // Unix ms
	Version           uint64
	Visitor           schemas.ID
	Identity          uint8 // 1 = Visitor is of an anonymous_id, 2 = of a user_id, 0 = of neither
	CreatedAt, PaidAt int64 // 0 = not stated
	Payable, Paid     int64 // minor units
	Currency, Type    uint8
	Test              bool
}

// Settings are the rules that decide sessions.
type Settings struct {
	Gap, MaxLength, PayWindow time.Duration
}

// Session is a final, live session row without version and position.
type Session struct {
	ID, Visitor                                                       string
	User                                                              uint64
	Start, End                                                        int64
	Events, PageViews                                                 uint32
	Landing, Exit, Channel, Platform, Region, MaxStage, StagesRaw     uint8
	FirstView, FirstCart, FirstCheckout, FirstSubmit, FirstPay        int64
	Orders, OrdersPaid                                                uint16
	Placed, Paid                                                      int64
	Currency                                                          uint8
	OrderHashes                                                       string
	Bounce, Engaged, CartSkipped, Bot, Test, Internal, Approx, Closed bool
}

const tolerance = 2 * 60 * 1000 // ms between the clocks of shop and client

// Sessions gives the sessions of the events with the orders linked, all
// closed, by visitor and start.
func Sessions(events []Event, orders []OrderEvent, s Settings) []Session {
	gap, maxLength := s.Gap.Milliseconds(), s.MaxLength.Milliseconds()
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b Event) int {
		return cmp.Or(bytes.Compare(a.Visitor[:], b.Visitor[:]), cmp.Compare(a.Time, b.Time), cmp.Compare(a.Key, b.Key))
	})
	var list []*group
	byVisitor := map[schemas.ID][]*group{}
	hints := map[uint64]hint{} // by order
	for i, e := range events {
		cut := i == 0 || events[i-1].Visitor != e.Visitor
		if !cut {
			g := list[len(list)-1]
			cut = e.Time-events[i-1].Time > gap || e.Time-g.events[0].Time >= maxLength || e.User != 0 && g.user != 0 && g.user != e.User
		}
		if cut {
			g := &group{}
			list = append(list, g)
			byVisitor[e.Visitor] = append(byVisitor[e.Visitor], g)
		}
		g := list[len(list)-1]
		g.events = append(g.events, e)
		if e.User != 0 {
			g.user = e.User
		}
		if e.Kind == schemas.KindOrderSubmit || e.Kind == schemas.KindPurchase {
			if known, ok := hints[e.Order]; !ok || e.before(known.event) {
				hints[e.Order] = hint{e, g}
			}
		}
	}
	for _, o := range merge(orders) {
		var named *hint
		if h, ok := hints[o.hash]; ok {
			named = &h
		}
		if g := find(byVisitor[o.visitor], named, o, gap); g != nil {
			g.orders = append(g.orders, o)
		}
	}
	out := make([]Session, len(list))
	for i, g := range list {
		out[i] = g.session(s.PayWindow.Milliseconds())
	}
	sortSessions(out)
	return out
}

func sortSessions(s []Session) {
	slices.SortFunc(s, func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.Visitor, b.Visitor), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.ID, b.ID))
	})
}

// group is the events and orders of one session.
type group struct {
	events []Event
	orders []order
	user   uint64 // the last known one
}

// hint is the earliest click that names an order, and its session.
type hint struct {
	event Event
	group *group
}

// before is the order of hints: events of different visitors compare too.
func (e Event) before(other Event) bool {
	return cmp.Or(cmp.Compare(e.Time, other.Time), cmp.Compare(e.Key, other.Key), bytes.Compare(e.Visitor[:], other.Visitor[:])) < 0
}

type order struct {
	hash              uint64
	created, paidAt   int64
	payable, paid     int64
	payableBy, paidBy uint64
	visitor           schemas.ID
	identity          uint8
	currency, paidIn  uint8 // of payable and of paid
	kind              uint8
	test              bool
}

func merge(events []OrderEvent) []order {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b OrderEvent) int { return cmp.Compare(a.Order, b.Order) })
	var list []order
	for i, e := range events {
		switch e.Kind {
		case schemas.KindOrderCreated, schemas.KindOrderUpdated, schemas.KindOrderPaid, schemas.KindOrderCancelled:
		default:
			continue
		}
		if i == 0 || len(list) == 0 || list[len(list)-1].hash != e.Order {
			list = append(list, order{hash: e.Order})
		}
		o := &list[len(list)-1]
		created := e.CreatedAt
		if created == 0 && e.Kind == schemas.KindOrderCreated {
			created = e.Time
		}
		if created != 0 && (o.created == 0 || created < o.created) {
			o.created = created
		}
		if e.Kind == schemas.KindOrderPaid {
			at := e.PaidAt
			if at == 0 {
				at = e.Time
			}
			if o.paidAt == 0 || at < o.paidAt {
				o.paidAt = at
			}
			if e.Version > o.paidBy || e.Version == o.paidBy && (e.Paid > o.paid || e.Paid == o.paid && e.Currency > o.paidIn) {
				o.paidBy, o.paid, o.paidIn = e.Version, e.Paid, e.Currency
			}
		}
		if e.Payable > 0 || e.Kind == schemas.KindOrderCreated {
			if e.Version > o.payableBy || e.Version == o.payableBy && (e.Payable > o.payable || e.Payable == o.payable && e.Currency > o.currency) {
				o.payableBy, o.payable, o.currency = e.Version, e.Payable, e.Currency
			}
		}
		if e.Identity != 0 {
			better := o.identity == 0 || e.Identity < o.identity || e.Identity == o.identity && bytes.Compare(e.Visitor[:], o.visitor[:]) < 0
			if better {
				o.identity, o.visitor = e.Identity, e.Visitor
			}
		}
		o.kind = max(o.kind, e.Type)
		o.test = o.test || e.Test
	}
	var out []order
	for _, o := range list {
		if o.created == 0 {
			o.created = o.paidAt
		}
		if o.currency == 0 {
			o.currency = o.paidIn
		}
		switch schemas.OrderTypeNames[o.kind] {
		case "subscription", "exchange", "imported":
			continue
		}
		if o.created != 0 && !o.test {
			out = append(out, o)
		}
	}
	return out
}

// find gives the session of the order: own are those of its own visitor, by time.
func find(own []*group, h *hint, o order, gap int64) *group {
	if h != nil && h.event.Time >= o.created-gap && h.event.Time <= o.created+tolerance {
		return h.group
	}
	if o.identity != 0 {
		var latest *group
		for _, g := range own {
			if g.events[0].Time <= o.created+tolerance {
				latest = g
			}
		}
		if latest != nil && o.created <= latest.events[len(latest.events)-1].Time+gap+tolerance {
			return latest
		}
	}
	if h != nil && (o.identity == 0 || h.event.Visitor == o.visitor) && h.event.Time >= o.created-gap && h.event.Time <= o.created+gap {
		return h.group
	}
	return nil
}

func (g *group) session(payWindow int64) Session {
	head := g.events[0]
	s := Session{
		ID: id(head), Visitor: uuid.UUID(head.Visitor).String(), User: g.user, Start: head.Time, Closed: true,
		Channel: uint8(schemas.ChannelDirect), Platform: head.Platform, MaxStage: uint8(schemas.StageVisit),
	}
	reach := func(k schemas.Stage, at int64, first *int64) {
		s.StagesRaw |= 1 << k
		s.MaxStage = max(s.MaxStage, uint8(k))
		if first != nil && (*first == 0 || at < *first) {
			*first = at
		}
	}
	conversion := false
	for _, e := range g.events {
		s.End = e.Time
		s.Events++
		s.Test, s.Internal, s.Bot = s.Test || e.Test, s.Internal || e.Internal, s.Bot || e.Bot
		if s.Channel == uint8(schemas.ChannelDirect) && e.Channel > uint8(schemas.ChannelDirect) {
			s.Channel = e.Channel
		}
		if s.Region == 0 {
			s.Region = e.Region
		}
		switch e.Kind {
		case schemas.KindPageView:
			s.PageViews++
			if s.PageViews == 1 {
				s.Landing = e.PageType
			}
			s.Exit = e.PageType
			reach(schemas.StageVisit, e.Time, nil)
		case schemas.KindViewItem:
			reach(schemas.StageProductView, e.Time, &s.FirstView)
		case schemas.KindAddToCart:
			reach(schemas.StageAddToCart, e.Time, &s.FirstCart)
			conversion = true
		case schemas.KindBeginCheckout:
			reach(schemas.StageCheckoutStart, e.Time, &s.FirstCheckout)
			conversion = true
		case schemas.KindOrderSubmit, schemas.KindPurchase, schemas.KindSearch, schemas.KindLogin:
			conversion = true
		}
	}
	slices.SortFunc(g.orders, func(a, b order) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.hash, b.hash))
	})
	var hashes []string
	for i, o := range g.orders {
		conversion = true
		s.Orders++
		reach(schemas.StageOrderSubmit, o.created, &s.FirstSubmit)
		if i == 0 {
			s.Currency = o.currency
		}
		if o.currency == s.Currency {
			s.Placed += o.payable
		}
		if o.paidAt != 0 && o.paidAt <= o.created+payWindow {
			s.OrdersPaid++
			reach(schemas.StagePay, o.paidAt, &s.FirstPay)
			if o.paidIn == s.Currency {
				s.Paid += o.paid
			}
		}
		hashes = append(hashes, fmt.Sprintf("%016x", o.hash))
	}
	s.OrderHashes = strings.Join(hashes, " ")
	s.Bounce = s.PageViews == 1 && !conversion
	s.Engaged = s.End-s.Start > 10_000 || conversion || s.PageViews >= 2
	s.CartSkipped = s.MaxStage >= uint8(schemas.StageCheckoutStart) && s.StagesRaw&(1<<schemas.StageAddToCart) == 0
	return s
}

// namespace of session ids, the engine's constant repeated.
var namespace = uuid.MustParse("5c1d0e4e-7f0b-5b63-9a51-0d7e6a2c3b94")

func id(e Event) string {
	b := binary.BigEndian.AppendUint64(slices.Clone(e.Visitor[:]), e.Key)
	return uuid.NewSHA1(namespace, binary.BigEndian.AppendUint64(b, uint64(e.Time))).String()
}
