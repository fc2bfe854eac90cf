package clickhouse_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
)

func TestAnInsertWhoseAnswerIsLostIsUnknownAndStands(t *testing.T) {
	server, database, v := engine(t), newDatabase(t), vocabulary(t)
	direct := openClient(t, server, database)
	if _, err := direct.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	claim(t, direct, 1, 1)
	var cuts atomic.Int64
	cuts.Store(1)
	c := openClient(t, cutting(t, server, func(r *http.Request) bool {
		return strings.Contains(r.URL.RawQuery, "INSERT") && cuts.Add(-1) >= 0
	}), database)
	f := newFacts(v, schemas.FactEvents)
	fill(f, 20, 2)
	stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: 1}
	if err := insert(t.Context(), c, "t", stamp, schemas.FactEvents, f, nil); !errors.Is(err, sink.ErrUnknown) {
		t.Fatalf("an insert without an answer: %v", err)
	}
	rows, err := c.Standing(t.Context(), schemas.FactEvents, stamp)
	if err != nil || len(rows) != 20 {
		t.Errorf("%d of 20 rows stand: %v", len(rows), err)
	}
	// Another claim sends the same token; the engine has it already.
	claim(t, c, 1, 2)
	stamp.Term = 2
	if err := insert(t.Context(), c, "t", stamp, schemas.FactEvents, f, nil); err != nil {
		t.Fatal(err)
	}
	var n uint64
	if err := c.Conn().QueryRow(t.Context(), "SELECT count() FROM fact_events").Scan(&n); err != nil || n != 20 {
		t.Errorf("%d rows after the repeat, want 20: %v", n, err)
	}
}

func TestHalfAnInsertIsCompletedByItsRowNumbers(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 1, 1)
	f := newFacts(v, schemas.FactEvents)
	fill(f, 60, 2) // two partitions; one of them lands
	var half, rest []uint32
	for r := range uint32(60) {
		if r%2 == 0 {
			half = append(half, r)
		} else {
			rest = append(rest, r)
		}
	}
	stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: 5, PlanID: schemas.ID{1}}
	if err := insert(t.Context(), c, "t", stamp, schemas.FactEvents, f, half); err != nil {
		t.Fatal(err)
	}
	claim(t, c, 1, 2)
	stamp.Term = 2
	standing, err := c.Standing(t.Context(), schemas.FactEvents, stamp)
	if err != nil || !slices.Equal(standing, half) {
		t.Fatalf("standing %v, want %v: %v", standing, half, err)
	}
	if err := insert(t.Context(), c, "t/2/rest", stamp, schemas.FactEvents, f, rest); err != nil {
		t.Fatal(err)
	}
	if standing, err = c.Standing(t.Context(), schemas.FactEvents, stamp); err != nil || len(standing) != 60 {
		t.Errorf("%d rows stand, want 60: %v", len(standing), err)
	}
	positions, err := c.Positions(t.Context(), schemas.FactEvents, stamp)
	if err != nil || len(positions) != 60 {
		t.Errorf("%d positions, want 60: %v", len(positions), err)
	}
}

func TestNothingSentIsNotApplied(t *testing.T) {
	v := vocabulary(t)
	f := newFacts(v, schemas.FactRefunds)
	fill(f, 3, 1)
	const closed = "http://127.0.0.1:1" // nothing draws this port
	if err := insert(t.Context(), openClient(t, closed, "x"), "t", schemas.Stamp{}, schemas.FactRefunds, f, nil); !errors.Is(err, sink.ErrNotApplied) {
		t.Errorf("no server: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := insert(ctx, openClient(t, closed, "x"), "t", schemas.Stamp{}, schemas.FactRefunds, f, nil); !errors.Is(err, sink.ErrNotApplied) {
		t.Errorf("cancelled before it began: %v", err)
	}
	// The database is missing: an operator's fault, and nothing was written.
	if err := insert(t.Context(), openClient(t, engine(t), "nobody_made_this"), "t", schemas.Stamp{}, schemas.FactRefunds, f, nil); !errors.Is(err, sink.ErrNotApplied) {
		t.Errorf("no database: %v", err)
	}
}

func TestTheViewOfOrdersCanBeFedAgain(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 1, 1)
	f := newFacts(v, schemas.FactOrderEvents)
	fill(f, 30, 2)
	stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: 1}
	if err := insert(t.Context(), c, "t", stamp, schemas.FactOrderEvents, f, nil); err != nil {
		t.Fatal(err)
	}
	all := func() (s string) {
		if err := c.Conn().QueryRow(t.Context(), "SELECT toString(cityHash64(groupArray(toString(tuple(*))))) FROM (SELECT * FROM orders ORDER BY order_id)").Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := all()
	if err := c.Refeed(t.Context(), "storepulse/test/1/1/9", stamp); err != nil { // once too often
		t.Fatal(err)
	}
	if got := all(); got != want {
		t.Error("feeding twice changes the orders")
	}
	if err := c.Exec(t.Context(), "TRUNCATE TABLE fact_orders", nil); err != nil { // a crash before the view was written
		t.Fatal(err)
	}
	if err := c.Refeed(t.Context(), "storepulse/test/1/1/10", stamp); err != nil {
		t.Fatal(err)
	}
	if got := all(); got != want {
		t.Error("feeding the lost view gives other orders")
	}
}

// TestABugIsNotSentAgain: an insert that no server could take is not one that a
// server does not take now.
func TestABugIsNotSentAgain(t *testing.T) {
	c := openClient(t, "http://127.0.0.1:1", "x")
	err := c.InsertColumns(t.Context(), "q", "t", "lanes", schemas.MaxRows+1, nil)
	if !errors.Is(err, sink.ErrBug) || errors.Is(err, sink.ErrNotApplied) {
		t.Errorf("too many rows for one block: %v", err)
	}
}
