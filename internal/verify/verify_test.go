package verify_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/schemas"
)

// newest is the term that the fence lets in.
const newest = "(SELECT max(term) FROM lanes) AS term"

// epochWith gives an epoch with at least so many rows of a table, not the last.
func (s *shop) epochWith(table string, rows int) int64 {
	s.t.Helper()
	return s.number(fmt.Sprintf(`SELECT min(epoch) FROM (SELECT epoch FROM %s WHERE epoch < (SELECT max(epoch) - 2 FROM epochs) AND epoch > 2 GROUP BY epoch HAVING count() >= %d)`, table, rows))
}

// TestCheck damages copies of one clean run, one way at a time.
func TestCheck(t *testing.T) {
	base := newShop(t, 2500)
	for _, c := range []struct {
		name string
		test func(*testing.T, *shop)
	}{
		{"A clean run agrees", testACleanRunAgrees},
		{"A deleted row is named", testADeletedRowIsNamed},
		{"A doubled row is named", testADoubledRowIsNamed},
		{"A skipped epoch is named", testASkippedEpochIsNamed},
		{"A changed plan is named", testAChangedPlanIsNamed},
		{"A rewritten log is named", testARewrittenLogIsNamed},
		{"A deleted dead letter is named", testADeletedDeadLetterIsNamed},
		{"A deleted session is named", testADeletedSessionIsNamed},
		{"A doubled session is named", testADoubledSessionIsNamed},
		{"An order without its state is named", testAnOrderWithoutItsStateIsNamed},
		{"Stray rows are named", testStrayRowsAreNamed},
		{"Void plans and an epoch in hand are no difference", testVoidPlansAndAnEpochInHandAreNoDifference},
		{"Expired rows are not missed", testExpiredRowsAreNotMissed},
		{"The scope is the time of the plan", testTheScopeIsTheTimeOfThePlan},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, base) })
	}
}

func testACleanRunAgrees(t *testing.T, base *shop) {
	s := base.clone(t)
	r := s.check()
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	if !r.Agrees() {
		t.Fatal("a clean run differs")
	}
	b := r.Total()
	if n := b.Consumed[0] + b.Consumed[1]; n != int64(s.records) {
		t.Errorf("%d offsets consumed, %d records were sent", n, s.records)
	}
	c := b.Ledger
	if c.Duplicates[0] == 0 || c.Letters[0] == 0 || c.Late[0] == 0 || c.Facts[1] == 0 {
		t.Errorf("the traffic has too few defects to prove anything: %+v", c)
	}
	l := r.Lanes[0]
	if l.Done < 8 || l.Done != l.Head || l.InHand != nil || l.Records != int64(s.records) || l.Visitors.Agree == 0 {
		t.Errorf("lane: %+v", l)
	}
}

func testADeletedRowIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	epoch := s.epochWith("fact_events", 100)
	offset := s.number(fmt.Sprintf("SELECT kafka_offset FROM fact_events WHERE epoch = %d AND epoch_row = 13", epoch))
	s.exec(fmt.Sprintf("ALTER TABLE fact_events DELETE WHERE epoch = %d AND epoch_row = 13", epoch))
	s.names(s.check(), epoch, "tables", "missing row 13 (clickstream offset", fmt.Sprint(offset))
}

func testADoubledRowIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	epoch := s.epochWith("fact_events", 100)
	s.exec(fmt.Sprintf("INSERT INTO fact_events SELECT * REPLACE("+newest+") FROM fact_events WHERE epoch = %d AND epoch_row = 7", epoch))
	s.names(s.check(), epoch, "tables", "row 7 (clickstream offset", "stands 2 times")

	// And a copy that hides behind a number of its own.
	s.exec(fmt.Sprintf("ALTER TABLE fact_events DELETE WHERE epoch = %d AND epoch_row = 7", epoch))
	s.exec(fmt.Sprintf("INSERT INTO fact_events SELECT * REPLACE("+newest+", 7 AS epoch_row) FROM fact_events WHERE epoch = %d AND fact_events.epoch_row = 9", epoch))
	s.names(s.check(), epoch, "tables", "is of the same record as row 7")
}

func testASkippedEpochIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	s.exec("ALTER TABLE epochs DELETE WHERE epoch = 4")
	r := s.check()
	s.names(r, 4, "chain", "the ledger lacks this epoch", "clickstream")
	if r.Lanes[0].Unsaid != 1 {
		t.Errorf("%d epochs with unknown outcome, want the one before the hole", r.Lanes[0].Unsaid)
	}
}

func testAChangedPlanIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	s.exec("ALTER TABLE epochs UPDATE input_crc = input_crc + 1 WHERE epoch = 4")
	s.names(s.check(), 4, "chain records", "the plan's row was changed", "not those that were planned")
}

// rewritten is a log of which one record is not what it was.
type rewritten struct {
	verify.Log
	offset int64
}

func (l rewritten) Read(ctx context.Context, lane uint32, r schemas.Ranges) (*ingest.Input, error) {
	in, err := l.Log.Read(ctx, lane, r)
	if err == nil {
		for i := range in.Records[0] {
			if rec := &in.Records[0][i]; rec.Offset == l.offset {
				rec.Value = []byte(`{}`)
			}
		}
	}
	return in, err
}

func testARewrittenLogIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	epoch := s.epochWith("fact_events", 100)
	offset := s.number(fmt.Sprintf("SELECT clickstream_start + 3 FROM epochs WHERE epoch = %d LIMIT 1", epoch))
	r := s.check(func(o *verify.Options) { o.Log = rewritten{o.Log, offset} })
	s.names(r, epoch, "records", "the records at these offsets are not those that were planned")
}

func testADeletedDeadLetterIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	epoch := s.epochWith("dead_letters", 2)
	s.exec(fmt.Sprintf("ALTER TABLE dead_letters DELETE WHERE epoch = %d AND epoch_row = 0", epoch))
	s.names(s.check(), epoch, "tables", "dead_letters", "missing row 0")
}

func testADeletedSessionIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	f := strings.Split(s.exec("SELECT session_id, visitor_id FROM sessions WHERE events > 3 AND NOT is_approximate ORDER BY start_time LIMIT 1"), "\t")
	offset := s.exec(fmt.Sprintf("SELECT min(kafka_offset) FROM fact_events WHERE late_class = 'none' AND visitor_id = '%[2]s' AND event_time = (SELECT start_time FROM sessions WHERE session_id = '%[1]s')", f[0], f[1]))
	s.exec("ALTER TABLE fact_sessions DELETE WHERE session_id = '" + f[0] + "'")
	s.names(s.check(), 0, "sessions", "visitor "+f[1], "in no session", "offset "+offset)
}

func testADoubledSessionIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	visitor := s.exec("SELECT visitor_id FROM sessions WHERE events > 3 LIMIT 1")
	s.exec("INSERT INTO fact_sessions SELECT * REPLACE(" + newest + ", generateUUIDv4() AS session_id, epoch + 0 AS epoch) FROM fact_sessions FINAL WHERE visitor_id = '" + visitor + "' LIMIT 1")
	r := s.check()
	found := false
	for _, f := range r.Findings {
		found = found || f.Check == "sessions" && strings.Contains(f.What, visitor)
	}
	if !found {
		t.Errorf("findings: %+v", r.Findings)
	}
}

func testAnOrderWithoutItsStateIsNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	f := strings.Split(s.exec("SELECT order_id, max(epoch) FROM fact_order_events GROUP BY order_id ORDER BY order_id LIMIT 1"), "\t")
	s.exec("ALTER TABLE fact_orders DELETE WHERE order_id = '" + f[0] + "'")
	r := s.check()
	if len(r.Findings) != 1 || r.Findings[0].Check != "orders" || fmt.Sprint(r.Findings[0].Epoch) != f[1] || !strings.Contains(r.Findings[0].What, f[0]) {
		t.Errorf("findings: %+v", r.Findings)
	}
}

func testStrayRowsAreNamed(t *testing.T, base *shop) {
	s := base.clone(t)
	s.exec("INSERT INTO fact_order_events SELECT * REPLACE(" + newest + ", toUUID('00000000-0000-0000-0000-00000000abcd') AS plan_id) FROM fact_order_events WHERE epoch = (SELECT min(epoch) FROM fact_order_events) LIMIT 1")
	epoch := s.number("SELECT min(epoch) FROM fact_order_events")
	s.names(s.check(), epoch, "tables", "abcd, which the ledger does not know")

	s = base.clone(t)
	s.exec("INSERT INTO fact_events SELECT * REPLACE(" + newest + ", 9999 AS epoch) FROM fact_events WHERE fact_events.epoch = 3 LIMIT 2")
	s.names(s.check(), 9999, "tables", "2 rows under plan")
}

func testVoidPlansAndAnEpochInHandAreNoDifference(t *testing.T, base *shop) {
	s := base.clone(t)
	s.exec("INSERT INTO epochs SELECT * REPLACE(" + newest + ", toUUID('00000000-0000-0000-0000-00000000abcd') AS plan_id, 0 AS seq, false AS has_done) FROM epochs WHERE epoch = 5 LIMIT 1")
	s.exec("ALTER TABLE epochs DELETE WHERE kind = 'done'")
	r := s.check()
	l := r.Lanes[0]
	if !r.Agrees() || l.Void != 1 || l.InHand == nil || l.InHand.Epoch != l.Head || l.Done != l.Head-1 {
		t.Errorf("%+v: %+v", l, r.Findings)
	}
}

// What the tables' TTL has taken is not compared,
// and the report says so.
func testExpiredRowsAreNotMissed(t *testing.T, base *shop) {
	s := base.clone(t)
	s.exec("ALTER TABLE epochs UPDATE created_at = now64(3) - INTERVAL 200 DAY WHERE epoch <= 5")
	s.exec("ALTER TABLE fact_sessions UPDATE inserted_at = now64(3) - INTERVAL 200 DAY WHERE 1")
	s.exec("ALTER TABLE fact_events DELETE WHERE epoch <= 5")
	s.exec("ALTER TABLE late_events DELETE WHERE epoch <= 5")
	s.exec("ALTER TABLE dead_letters DELETE WHERE epoch <= 5")
	r := s.check()
	if !r.Agrees() {
		t.Errorf("findings: %+v", r.Findings)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "epochs 1 to 5 are older than fact_events keeps its rows (180 days)") {
		t.Errorf("notes: %s", notes)
	}
	// Younger epochs are compared all the same.
	s.exec("ALTER TABLE fact_events DELETE WHERE epoch = 7 AND epoch_row = 1")
	s.names(s.check(), 7, "tables", "missing row 1")
}

func testTheScopeIsTheTimeOfThePlan(t *testing.T, base *shop) {
	s := base.clone(t)
	s.exec("ALTER TABLE epochs UPDATE created_at = now64(3) - INTERVAL 10 DAY WHERE epoch <= 4")
	s.exec("ALTER TABLE fact_events DELETE WHERE epoch IN (3, 6) AND epoch_row = 2")
	week := time.Now().Add(-7 * 24 * time.Hour)
	r := s.check(func(o *verify.Options) { o.From = week })
	s.names(r, 6, "tables")
	if l := r.Lanes[0]; l.First != 5 || l.Last != l.Head {
		t.Errorf("compared epochs %d to %d of %d", l.First, l.Last, l.Head)
	}
	r = s.check(func(o *verify.Options) { o.To = week })
	s.names(r, 3, "tables")
	if l := r.Lanes[0]; l.First != 1 || l.Last != 4 {
		t.Errorf("compared epochs %d to %d", l.First, l.Last)
	}
}
