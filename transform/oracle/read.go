package oracle

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// Facts reads the accepted events out of a batch that the transform has been
// applied to: copies are gone, times corrected. Events that came too late for
// any session are left out; late ones are in, because a rebuild takes them.
// Order events count however late they are.
func Facts(b *schemas.Batch) (events []Event, orders []OrderEvent) {
	e := b.Events
	for i := range e.Offset {
		if e.Late.Index[i] == schemas.LateTooOld {
			continue
		}
		events = append(events, Event{
			Tenant: e.Tenant.Index[i], Visitor: e.Visitor[i], Time: e.Time[i], Key: e.Key[i], Kind: schemas.Kind(e.Kind[i]),
			PageType: e.PageType.Index[i], Channel: e.Channel.Index[i], Platform: e.Platform.Index[i], Region: e.Region.Index[i],
			User: e.User[i], Test: e.IsTest[i] != 0, Internal: e.IsInternal[i] != 0, Bot: e.IsBot[i] != 0, Order: e.Order[i],
		})
	}
	o := b.Orders
	for i := range o.Offset {
		arrived := o.Received[i]
		if o.Stamp[i] != 0 {
			arrived = min(arrived, o.Stamp[i])
		}
		bound := func(t int64) int64 {
			if t > arrived+5*60*1000 {
				return arrived
			}
			return t
		}
		orders = append(orders, OrderEvent{
			Order: o.Order[i], Kind: schemas.Kind(o.Kind[i]), Time: o.Time[i], Version: o.Version[i], Visitor: o.Visitor[i], Identity: o.HasAnon[i],
			CreatedAt: bound(o.CreatedAt[i]), PaidAt: bound(o.PaidAt[i]), Payable: o.Payable[i], Paid: o.Paid[i],
			Currency: o.Currency.Index[i], Type: o.OrderType.Index[i], Test: o.IsTest[i] != 0,
		})
	}
	return events, orders
}

// Rows collects session rows over epochs and gives the live ones, as a query
// with FINAL would.
type Rows struct {
	latest map[string]row
}

type row struct {
	version uint64
	deleted bool
	session Session
}

// Add takes the rows of one epoch.
func (r *Rows) Add(t *schemas.Sessions) {
	if r.latest == nil {
		r.latest = map[string]row{}
	}
	for i := range t.Offset {
		id := uuid.UUID(t.Session[i]).String()
		if known, ok := r.latest[id]; ok && known.version >= t.Version[i] {
			continue
		}
		r.latest[id] = row{t.Version[i], t.IsDeleted[i] != 0, read(t, i)}
	}
}

// Live gives the sessions that stand, by visitor and start.
func (r *Rows) Live() []Session {
	out := []Session{}
	for _, row := range r.latest {
		if !row.deleted {
			out = append(out, row.session)
		}
	}
	sortSessions(out)
	return out
}

func read(t *schemas.Sessions, i int) Session {
	var hashes []string
	for _, h := range t.OrderHashes.Values[t.OrderHashes.Offsets[i]:t.OrderHashes.Offsets[i+1]] {
		hashes = append(hashes, fmt.Sprintf("%016x", h))
	}
	return Session{
		ID: uuid.UUID(t.Session[i]).String(), Visitor: uuid.UUID(t.Visitor[i]).String(), User: t.User[i], Start: t.Start[i], End: t.End[i],
		Events: t.Events[i], PageViews: t.PageViews[i], Landing: t.Landing.Index[i], Exit: t.Exit.Index[i], Channel: t.Channel.Index[i],
		Platform: t.Platform.Index[i], Region: t.Region.Index[i], MaxStage: t.MaxStage.Index[i], StagesRaw: t.StagesRaw[i],
		FirstView: t.FirstView[i], FirstCart: t.FirstCart[i], FirstCheckout: t.FirstCheckout[i], FirstSubmit: t.FirstSubmit[i], FirstPay: t.FirstPay[i],
		Orders: t.Orders[i], OrdersPaid: t.OrdersPaid[i], Placed: t.Placed[i], Paid: t.Paid[i], Currency: t.Currency.Index[i],
		OrderHashes: strings.Join(hashes, " "),
		Bounce:      t.IsBounce[i] != 0, Engaged: t.IsEngaged[i] != 0, CartSkipped: t.CartSkipped[i] != 0, Bot: t.IsBot[i] != 0, Test: t.IsTest[i] != 0,
		Internal: t.IsInternal[i] != 0, Approx: t.Approximate[i] != 0, Closed: t.Closed[i] != 0,
	}
}
