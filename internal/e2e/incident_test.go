package e2e

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
)

// TestPaymentOutage: the shop's payments on iOS fail for half an hour. A running
// worker's counters tell it as it happens, and the tables tell it afterwards.
func TestPaymentOutage(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		undisturbed(t, func(t *testing.T) bool { return outageOnIOS(t, addr, session) })
	})
}

// outageOnIOS makes one run and judges.
func outageOnIOS(t *testing.T, addr string, session time.Duration) bool {
	s := newShop(t, addr, session, 2)
	start := time.Date(2026, 11, 10, 2, 0, 0, 0, time.UTC)
	in, err := gen.ParseIncident("payment_outage,start=30m,length=30m,platform=app_ios")
	if err != nil {
		t.Fatal(err)
	}
	g := gen.New(gen.Settings{Seed: 9, Start: start, Rate: 15, FlatDay: true, Duration: 90 * time.Minute, KnownVisitors: 500, Incidents: []gen.Incident{in}})
	// An answer of the gateway takes up to a second to Kafka.
	ends := []time.Time{start.Add(in.From + time.Second), start.Add(in.To), start.Add(24 * time.Hour)}
	parts := make([][]gen.Event, len(ends))
	part, hard := 0, 0
	for e := (gen.Event{}); g.Next(&e); {
		for !e.Time.Before(ends[part]) {
			part++
		}
		if part == 1 && bytes.Contains(e.Value, []byte(`"error_type":"hard"`)) {
			hard++
		}
		parts[part] = append(parts[part], gen.Event{Topic: e.Topic, Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value), Time: e.Time})
	}

	w := s.startWorker()
	type counted struct{ ios, android, hard float64 }
	sent, last := 0, counted{}
	var grown [3]counted
	for i, events := range parts {
		s.send(events)
		sent += len(events)
		m := s.caughtUp(w, int64(sent))
		if m == nil {
			return false
		}
		now := counted{
			m.sum("ecom_orders_paid_total", "platform", "app_ios"), m.sum("ecom_orders_paid_total", "platform", "app_android"),
			m.sum("ecom_payment_attempts_total", "result", "hard"),
		}
		grown[i] = counted{now.ios - last.ios, now.android - last.android, now.hard - last.hard}
		last = now
		if i == len(parts)-1 {
			all, names := m.series()
			t.Logf("the worker exposes %d series of %d metrics, its own and Go's included", all, names)
			if all > budget {
				t.Errorf("%d series, want at most %d", all, budget)
			}
		}
	}
	w.stop(t)
	before, during, after := grown[0], grown[1], grown[2]
	if during.ios != 0 || before.ios < 5 || after.ios < 5 {
		t.Errorf("ecom_orders_paid_total of app_ios grew by %g, in the outage %g, then %g", before.ios, during.ios, after.ios)
	}
	if during.android < 5 {
		t.Errorf("ecom_orders_paid_total of app_android grew by %g in the outage of another platform", during.android)
	}
	if during.hard != float64(hard) || during.hard < 5*before.hard || during.hard < 20 {
		t.Errorf(`ecom_payment_attempts_total{result="hard"} grew by %g, in the outage %g (sent: %d), then %g`, before.hard, during.hard, hard, after.hard)
	}

	s.drain()
	rows := s.ask(fmt.Sprintf(`SELECT platform = 'app_ios', event_time >= %[1]d AND event_time < %[2]d AS ill,
			countIf(event_type = 'payment.failed' AND payment_error = 'hard'), countIf(event_type = 'order.paid')
			FROM fact_order_events WHERE platform IN ('app_ios', 'app_android') GROUP BY 1, 2 ORDER BY 1, 2`,
		start.Add(in.From).Unix(), start.Add(in.To).Unix()))
	t.Logf("is iOS, in the outage, payments failed hard, orders paid:\n%s", rows)
	table := map[string][2]int{}
	for _, line := range lines(rows) {
		f := strings.Split(line, "\t")
		failed, _ := strconv.Atoi(f[2])
		paid, _ := strconv.Atoi(f[3])
		table[f[0]+f[1]] = [2]int{failed, paid}
	}
	if ill, well, others := table["11"], table["10"], table["01"]; ill[1] != 0 || ill[0] < 20 || well[1] < 10 || others[1] < 5 || others[0] > ill[0]/5 {
		t.Errorf("the tables do not tell the outage: failed and paid are %v in it, %v outside, %v on another platform", ill, well, others)
	}
	if n := int64(table["11"][0]); n != g.Stats().Incidents[0] {
		t.Errorf("%d payments of the outage are in the tables, the generator counts %d", n, g.Stats().Incidents[0])
	}
	// A visit that would have bought stops at the order.
	sessions := s.ask(fmt.Sprintf(`SELECT countIf(max_stage = 'order_submit') > countIf(max_stage = 'pay') FROM sessions
			WHERE NOT is_deleted AND platform = 'app_ios' AND start_time >= %d AND start_time < %d`, start.Add(in.From).Unix(), start.Add(in.To-10*time.Minute).Unix()))
	if sessions != "1" && sessions != "true" {
		t.Errorf("more sessions of the outage paid than stopped at the order: %s", sessions)
	}
	return true
}
