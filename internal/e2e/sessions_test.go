package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

// compareSessions holds the live rows of fact_sessions against the slow
// sessionizer over everything that was sent and accepted. All sessions must be closed.
func (s *shop) compareSessions(events []gen.Event) {
	s.t.Helper()
	settings := s.cfg.Transform()
	clicks, orders := s.oracleInput(events)
	want := oracle.Sessions(clicks, orders, oracle.Settings{Gap: settings.Gap, MaxLength: settings.MaxLength, PayWindow: settings.PayWindow})
	got := s.sessions()
	if len(want) == 0 {
		s.t.Fatal("the oracle sees no session")
	}
	if diff := cmp.Diff(got, want); diff != "" {
		s.t.Errorf("%d session rows, the oracle has %d; (-rows +oracle)\n%.4000s", len(got), len(want), diff)
	}
	s.t.Logf("%d sessions equal the oracle's", len(want))
}

// accepted is what the store says of an event: its corrected time, and whether
// the lane folded it.
type accepted struct {
	time int64
	late string
}

func (s *shop) accepted(table string) map[string]accepted {
	s.t.Helper()
	all := map[string]accepted{}
	for _, line := range lines(s.ask(fmt.Sprintf("SELECT concat(source, ' ', event_id), toUnixTimestamp64Milli(event_time), late_class FROM %s", table))) {
		f := strings.Split(line, "\t")
		ms, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		all[f[0]] = accepted{ms, f[2]}
	}
	return all
}

// oracleInput decodes the records, drops copies and takes the store's times.
func (s *shop) oracleInput(records []gen.Event) (events []oracle.Event, orders []oracle.OrderEvent) {
	s.t.Helper()
	clicks, orderEvents := s.accepted("fact_events"), s.accepted("fact_order_events")
	batch, decoder := s.decoder()
	seen := map[string]bool{}
	for i := range records {
		r := &records[i]
		batch.Reset()
		if decoder.Decode(r.Topic, &schemas.Record{Key: r.Key, Value: r.Value, Timestamp: r.Time.UnixMilli()}, batch) != schemas.ReasonNone {
			continue
		}
		var id string
		var a accepted
		if r.Topic == schemas.Clickstream {
			id = string(batch.Events.Source.Data) + " " + string(batch.Events.EventID.Data)
			a = clicks[id]
			batch.Events.Time[0] = a.time
			if a.late != "none" {
				batch.Events.Late.Index[0] = schemas.LateTooOld // in no session
			}
		} else {
			id = string(batch.Orders.Source.Data) + " " + string(batch.Orders.EventID.Data)
			a = orderEvents[id]
			batch.Orders.Time[0] = a.time
		}
		if seen[r.Topic.String()+id] {
			continue
		}
		seen[r.Topic.String()+id] = true
		e, o := oracle.Facts(batch)
		events, orders = append(events, e...), append(orders, o...)
	}
	return events, orders
}

// sessions reads the live rows as the oracle writes them.
func (s *shop) sessions() []oracle.Session {
	s.t.Helper()
	ms := func(column string) string { return "ifNull(toUnixTimestamp64Milli(" + column + "), 0)" }
	var list []oracle.Session
	for _, line := range lines(s.ask(`SELECT session_id, visitor_id, user_hash, ` + ms("start_time") + `, ` + ms("end_time") + `, events, page_views,
		landing_page_type, exit_page_type, channel, platform, region, max_stage, stages_raw, ` + ms("first_product_view") + `, ` + ms("first_add_to_cart") + `, ` +
		ms("first_checkout_start") + `, ` + ms("first_order_submit") + `, ` + ms("first_pay") + `, orders, orders_paid, placed_minor, paid_minor, currency,
		arrayStringConcat(arrayMap(h -> lower(leftPad(hex(h), 16, '0')), order_hashes), ' '),
		toUInt8(is_bounce), toUInt8(is_engaged), toUInt8(cart_skipped), toUInt8(is_bot), toUInt8(is_test), toUInt8(is_internal), toUInt8(is_approximate), toUInt8(is_closed)
		FROM fact_sessions FINAL WHERE is_deleted = 0 ORDER BY toString(visitor_id), start_time, toString(session_id)`)) {
		f := strings.Split(line, "\t")
		n := func(i int) int64 {
			v, err := strconv.ParseInt(f[i], 10, 64)
			if err != nil {
				s.t.Fatalf("column %d of %q: %v", i, line, err)
			}
			return v
		}
		user, err := strconv.ParseUint(f[2], 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		in := func(i int, names []string) uint8 { return uint8(max(0, slices.Index(names, f[i]))) }
		list = append(list, oracle.Session{
			ID: f[0], Visitor: f[1], User: user, Start: n(3), End: n(4), Events: uint32(n(5)), PageViews: uint32(n(6)),
			Landing: in(7, schemas.PageTypeNames), Exit: in(8, schemas.PageTypeNames), Channel: in(9, schemas.ChannelNames),
			Platform: in(10, schemas.PlatformNames), Region: in(11, schemas.RegionNames), MaxStage: in(12, schemas.StageNames[:]), StagesRaw: uint8(n(13)),
			FirstView: n(14), FirstCart: n(15), FirstCheckout: n(16), FirstSubmit: n(17), FirstPay: n(18), Orders: uint16(n(19)), OrdersPaid: uint16(n(20)),
			Placed: n(21), Paid: n(22), Currency: in(23, schemas.CurrencyNames()), OrderHashes: f[24],
			Bounce: n(25) == 1, Engaged: n(26) == 1, CartSkipped: n(27) == 1, Bot: n(28) == 1, Test: n(29) == 1, Internal: n(30) == 1, Approx: n(31) == 1, Closed: n(32) == 1,
		})
	}
	return list
}
