package trace

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// Visitor is what a visitor did, with the sessions that hold it.
type Visitor struct {
	ID       uuid.UUID  `json:"visitor_id"`
	Tenant   string     `json:"tenant"`
	Events   []Step     `json:"events"`
	Sessions []*Session `json:"sessions"`
	Cut      bool       `json:"cut,omitempty"` // there are more events than were asked for
}

// Step is one event of a visitor.
type Step struct {
	Fact
	Session *uuid.UUID `json:"session_id"`
}

// visitorIDs are what an anonymous id, or the UUID itself, may stand for.
func visitorIDs(v *schemas.Vocabulary, text, tenant string) []uuid.UUID {
	var ids []uuid.UUID
	for _, t := range v.Tenants {
		if tenant == "" || t.ID == tenant {
			id, _ := schemas.VisitorID(nil, t.ID, "", []byte(text))
			ids = append(ids, uuid.UUID(id))
		}
	}
	if id, err := uuid.Parse(text); err == nil {
		ids = append(ids, id)
	}
	return ids
}

// Visitors looks for a visitor by anonymous id or UUID; an empty tenant looks
// at all of them.
func (t *Tracer) Visitors(ctx context.Context, text, tenant string) (*Report, error) {
	r := &Report{Question: "visitor " + text}
	ids := visitorIDs(t.Vocabulary, text, tenant)
	for _, id := range ids {
		v, err := t.visitor(ctx, id)
		if err != nil {
			return nil, err
		}
		switch {
		case v == nil:
		case r.Visitor != nil:
			r.note("tenant %s has a visitor of this id too: say --tenant", v.Tenant)
		default:
			r.Visitor = v
		}
	}
	if !r.Found() {
		names := make([]string, len(ids))
		for i, id := range ids {
			names[i] = id.String()
		}
		r.note("looked at visitor_id %s in fact_events, fact_order_events and fact_sessions%s: it stands nowhere", strings.Join(names, ", "), t.span())
		r.note("the id is the anonymous_id as the producer sends it, or the UUID in visitor_id; orders without an anonymous_id belong to u:<user_id> or o:<order_id>")
	}
	return r, nil
}

func (t *Tracer) visitor(ctx context.Context, id uuid.UUID) (*Visitor, error) {
	v := &Visitor{ID: id}
	for _, table := range []string{clickEvents, orderEvents} {
		order := ""
		if t.Limit > 0 {
			order = fmt.Sprintf(" ORDER BY event_time LIMIT %d", t.Limit+1)
		}
		facts, err := t.someFacts(ctx, table, "visitor_id = {visitor:UUID}", order, ch.Parameters{"visitor": id.String()})
		if err != nil {
			return nil, err
		}
		for _, f := range facts {
			v.Events, v.Tenant = append(v.Events, Step{Fact: f}), f.Tenant
		}
	}
	h, err := t.history(ctx, id, shift(t.From, -daysAround), shift(t.To, daysAround))
	if err != nil {
		return nil, err
	}
	if len(v.Events) == 0 && len(h.ids) == 0 {
		return nil, nil
	}
	if v.Tenant == "" {
		v.Tenant = h.tenant
	}
	slices.SortStableFunc(v.Events, func(a, b Step) int { return a.Time.Compare(b.Time) })
	if t.Limit > 0 && len(v.Events) > t.Limit {
		v.Events, v.Cut = v.Events[:t.Limit], true
	}
	for _, id := range h.ids {
		c := h.current(id)
		if c.Deleted {
			continue
		}
		v.Sessions = append(v.Sessions, h.session(id))
		for i := range v.Events {
			e := &v.Events[i]
			held := e.Table == clickEvents && !e.Time.Before(c.Start) && !e.Time.After(c.End)
			if held || e.OrderHash != 0 && slices.Contains(c.orders, e.OrderHash) {
				e.Session = &id
			}
		}
	}
	return v, nil
}

func shift(t time.Time, days int) time.Time {
	if t.IsZero() {
		return t
	}
	return t.AddDate(0, 0, days)
}

func (v *Visitor) String() string { return fmt.Sprintf("visitor %s of %s", v.ID, v.Tenant) }
