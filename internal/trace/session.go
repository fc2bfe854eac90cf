package trace

import (
	"context"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/internal/records"
)

// Session is the session that holds an event or an order, with its history as
// far as merges have left it.
type Session struct {
	ID        uuid.UUID   `json:"session_id"`
	Visitor   uuid.UUID   `json:"visitor_id"`
	Tenant    string      `json:"tenant"`
	Current   Version     `json:"current"`
	Versions  []Version   `json:"versions"`            // of this id, the oldest first
	Withdrawn []Withdrawn `json:"withdrawn,omitempty"` // sessions that were merged into it
}

// Version is one row of a session.
type Version struct {
	Version    uint64    `json:"version"`
	Stamp      Stamp     `json:"stamp"`
	Cause      string    `json:"caused_by"` // position of the record
	Start      time.Time `json:"start_time"`
	End        time.Time `json:"end_time"`
	Events     uint32    `json:"events"`
	PageViews  uint32    `json:"page_views"`
	MaxStage   string    `json:"max_stage"`
	Orders     uint16    `json:"orders"`
	OrdersPaid uint16    `json:"orders_paid"`
	Closed     bool      `json:"is_closed"`
	Deleted    bool      `json:"is_deleted,omitempty"`
	MergedInto uuid.UUID `json:"merged_into"`
	Inserted   time.Time `json:"inserted_at"`

	orders []uint64
}

// Withdrawn is a session that a tombstone ended, and the way from it to its heir.
type Withdrawn struct {
	ID   uuid.UUID   `json:"session_id"`
	At   Version     `json:"tombstone"`
	Path []uuid.UUID `json:"merged_into"` // the last is the heir
}

// history is every row of a visitor's sessions of some days.
type history struct {
	tenant  string
	visitor uuid.UUID
	ids     []uuid.UUID // in the order of their first start
	rows    map[uuid.UUID][]Version
}

// maxVersions bounds what is read of one visitor.
const maxVersions = 20_000

// history reads the sessions whose first day lies between the two.
func (t *Tracer) history(ctx context.Context, visitor uuid.UUID, from, to time.Time) (*history, error) {
	h := &history{visitor: visitor, rows: map[uuid.UUID][]Version{}}
	args := ch.Parameters{"visitor": visitor.String()}
	where := "visitor_id = {visitor:UUID}"
	if !from.IsZero() {
		where += " AND business_date >= {first:Date}"
		args["first"] = from.UTC().Format(time.DateOnly)
	}
	if !to.IsZero() {
		where += " AND business_date <= {last:Date}"
		args["last"] = to.UTC().Format(time.DateOnly)
	}
	err := t.each(ctx, "sessions", "SELECT "+stampColumns+`, tenant, session_id, version, start_time, end_time, events, page_views, max_stage, orders, orders_paid,
		is_closed, is_deleted, merged_into, inserted_at, order_hashes FROM fact_sessions WHERE `+where+fmt.Sprintf(" ORDER BY start_time, version LIMIT %d", maxVersions), args,
		func(r driver.Rows) error {
			var v Version
			var p records.Position
			var id uuid.UUID
			var deleted uint8
			err := r.Scan(append(stampInto(&v.Stamp, &p), &h.tenant, &id, &v.Version, &v.Start, &v.End, &v.Events, &v.PageViews, &v.MaxStage, &v.Orders, &v.OrdersPaid,
				&v.Closed, &deleted, &v.MergedInto, &v.Inserted, &v.orders)...)
			v.Cause, v.Deleted = p.String(), deleted != 0
			if h.rows[id] == nil {
				h.ids = append(h.ids, id)
			}
			h.rows[id] = append(h.rows[id], v)
			return err
		})
	for _, list := range h.rows {
		slices.SortFunc(list, func(a, b Version) int {
			return slices.Compare([]uint64{a.Version, a.Stamp.Term}, []uint64{b.Version, b.Stamp.Term})
		})
	}
	return h, err
}

func (h *history) current(id uuid.UUID) *Version {
	list := h.rows[id]
	if len(list) == 0 {
		return nil
	}
	return &list[len(list)-1]
}

// heir follows merged_into to a live session; the path is empty if the id
// itself is live, and its last element may be unknown here.
func (h *history) heir(id uuid.UUID) (path []uuid.UUID) {
	for v := h.current(id); v != nil && v.Deleted && v.MergedInto != uuid.Nil && !slices.Contains(path, v.MergedInto); v = h.current(v.MergedInto) {
		path = append(path, v.MergedInto)
	}
	return path
}

// session tells the story of a live session.
func (h *history) session(id uuid.UUID) *Session {
	s := &Session{ID: id, Visitor: h.visitor, Tenant: h.tenant, Current: *h.current(id), Versions: h.rows[id]}
	for _, other := range h.ids {
		path := h.heir(other)
		if len(path) > 0 && path[len(path)-1] == id {
			s.Withdrawn = append(s.Withdrawn, Withdrawn{other, *h.current(other), path})
		}
	}
	return s
}

// find gives the live session that has the time, or the order.
func (h *history) find(has func(*Version) bool) *Session {
	for _, id := range h.ids {
		if v := h.current(id); !v.Deleted && has(v) {
			return h.session(id)
		}
	}
	return nil
}

// Sessions reach over days: a session is at most a day long, a business day is
// at most 14 hours off UTC, and an order may be paid days after its session.
const (
	daysAround = 2
	daysPaid   = 5
)

// sessionOf finds the session of an event, or the one its order is linked to.
func (t *Tracer) sessionOf(ctx context.Context, f *Fact) (*Session, error) {
	if f.Table == clickEvents {
		h, err := t.history(ctx, f.Visitor, f.Time.AddDate(0, 0, -daysAround), f.Time.AddDate(0, 0, daysAround))
		if err != nil {
			return nil, err
		}
		return h.find(func(v *Version) bool { return !f.Time.Before(v.Start) && !f.Time.After(v.End) }), nil
	}
	return t.sessionOfOrder(ctx, f.OrderHash, f.Time)
}

// sessionOfOrder finds the session that names the order, of whichever visitor.
func (t *Tracer) sessionOfOrder(ctx context.Context, hash uint64, around time.Time) (*Session, error) {
	var visitor uuid.UUID
	args := ch.Parameters{
		"order": fmt.Sprint(hash),
		"first": around.AddDate(0, 0, -daysPaid).UTC().Format(time.DateOnly), "last": around.AddDate(0, 0, daysAround).UTC().Format(time.DateOnly),
	}
	err := t.each(ctx, "the order's session", `SELECT visitor_id FROM fact_sessions FINAL WHERE is_deleted = 0 AND has(order_hashes, {order:UInt64})
		AND business_date BETWEEN {first:Date} AND {last:Date} LIMIT 1`, args, func(r driver.Rows) error { return r.Scan(&visitor) })
	if err != nil || visitor == uuid.Nil {
		return nil, err
	}
	h, err := t.history(ctx, visitor, around.AddDate(0, 0, -daysPaid), around.AddDate(0, 0, daysAround))
	if err != nil {
		return nil, err
	}
	return h.find(func(v *Version) bool { return slices.Contains(v.orders, hash) }), nil
}
