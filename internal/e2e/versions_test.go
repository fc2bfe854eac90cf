package e2e

import (
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// seen is what the counters have seen of a session.
type seen struct {
	stage                           int
	started, cart, cartPaid, closed bool
}

// sighting is a session row that names an order.
type sighting struct {
	epoch   uint64
	channel string
}

// versions compares the session counters. A session is counted as it is when
// it gets there, and never taken back: its channel may be found later, and it
// may merge into another. So the versions of its row are replayed, in the order
// in which they were written; a session that another one absorbs leaves it what
// has been counted. In the same way, an order is attributed by the session rows
// that were there in the epoch that saw it first.
func (c *comparison) versions(m scrape) {
	t := c.t
	t.Helper()
	states := map[uuid.UUID]*seen{}
	state := func(id uuid.UUID) *seen {
		if states[id] == nil {
			states[id] = &seen{}
		}
		return states[id]
	}
	counts := map[string]map[string]int64{}
	add := func(name, key string) {
		if counts[name] == nil {
			counts[name] = map[string]int64{}
		}
		counts[name][key]++
	}
	stages := map[string]int{}
	for i, name := range schemas.StageNames {
		stages[name] = i
	}
	orders := map[uint64][]sighting{}
	merged := int64(0)
	absorbed := map[uuid.UUID]int64{} // heirs of the epoch, and how many sessions they took
	var now uint64
	c.shop.each(`SELECT epoch, session_id, is_deleted, merged_into, toString(platform), toString(channel), toString(region), toString(max_stage),
			bitTest(stages_raw, 3), orders_paid, toUInt8(is_bot OR is_test OR is_internal), is_closed, is_bounce, page_views, toString(landing_page_type), toString(exit_page_type), toString(device_class), order_hashes
		FROM fact_sessions ORDER BY lane, version`, time.Time{}, time.Time{}, func(r driver.Rows) error {
		var epoch uint64
		var id, heir uuid.UUID
		var deleted, cart uint8
		var platform, channel, region, stage, landing, exit, device string
		var paid uint16
		var filtered uint8
		var closed, bounce bool
		var views uint32
		var hashes []uint64
		if err := r.Scan(&epoch, &id, &deleted, &heir, &platform, &channel, &region, &stage, &cart, &paid, &filtered, &closed, &bounce, &views, &landing, &exit, &device, &hashes); err != nil {
			return err
		}
		if epoch != now {
			now, absorbed = epoch, map[uuid.UUID]int64{}
		}
		if deleted == 1 {
			if heir != (uuid.UUID{}) {
				from, to := state(id), state(heir)
				absorbed[heir]++
				if to.started || absorbed[heir] > 1 {
					merged++ // the first into a new session is that session under another name
				}
				to.stage, to.started = max(to.stage, from.stage), to.started || from.started
				to.cart, to.cartPaid, to.closed = to.cart || from.cart, to.cartPaid || from.cartPaid, to.closed || from.closed
			}
			return nil
		}
		for _, h := range hashes {
			orders[h] = append(orders[h], sighting{epoch, channel})
		}
		if filtered != 0 {
			return nil
		}
		s := state(id)
		if !s.started {
			s.started = true
			add("ecom_sessions_started_total", platform+" "+channel)
		}
		for k := s.stage + 1; k <= stages[stage]; k++ {
			add("ecom_session_stage_total", schemas.StageNames[k]+" "+platform+" "+channel)
			add("ecom_session_stage_region_total", schemas.StageNames[k]+" "+region)
		}
		s.stage = max(s.stage, stages[stage])
		if cart != 0 && !s.cart {
			s.cart = true
			add("ecom_cart_sessions_total", "added "+platform)
		}
		if cart != 0 && paid > 0 && !s.cartPaid {
			s.cartPaid = true
			add("ecom_cart_sessions_total", "paid "+platform)
		}
		if closed && !s.closed {
			s.closed = true
			add("ecom_sessions_closed_total", landing+" "+device)
			if bounce {
				add("ecom_sessions_bounced_total", landing+" "+device)
			}
			if views > 0 {
				add("ecom_session_exits_total", exit)
			}
		}
		return nil
	})
	const how = "as the rows were then"
	c.exactly(m, "ecom_sessions_started_total", []string{"platform", "channel"}, counts["ecom_sessions_started_total"], how)
	c.exactly(m, "ecom_session_stage_total", []string{"stage", "platform", "channel"}, counts["ecom_session_stage_total"], how)
	c.exactly(m, "ecom_session_stage_region_total", []string{"stage", "region"}, counts["ecom_session_stage_region_total"], how)
	c.exactly(m, "ecom_cart_sessions_total", []string{"outcome", "platform"}, counts["ecom_cart_sessions_total"], how)
	c.exactly(m, "ecom_sessions_closed_total", []string{"landing_page_type", "device_class"}, counts["ecom_sessions_closed_total"], how)
	c.exactly(m, "ecom_sessions_bounced_total", []string{"landing_page_type", "device_class"}, counts["ecom_sessions_bounced_total"], how)
	c.exactly(m, "ecom_session_exits_total", []string{"page_type"}, counts["ecom_session_exits_total"], how)
	c.exactly(m, "ecom_sessions_merged_total", nil, map[string]int64{"": merged}, how)

	// The channel is that of the last row up to the epoch.
	channelAt := func(hash, epoch uint64) (channel string, ok bool) {
		channel = "unknown"
		for _, s := range orders[hash] {
			if s.epoch <= epoch {
				channel, ok = s.channel, true
			}
		}
		return channel, ok
	}
	placed, paid, attributed := map[string]int64{}, map[string]int64{}, map[string]int64{}
	c.shop.each(`SELECT order_hash, toString(anyIf(platform, platform != 'unknown')), minIf(epoch, event_type IN ('order.created', 'order.paid') OR created_at IS NOT NULL), minIf(epoch, event_type = 'order.paid'), countIf(event_type = 'order.paid') > 0
		FROM fact_order_events WHERE event_type IN ('order.created', 'order.updated', 'order.paid', 'order.cancelled') GROUP BY order_hash HAVING max(is_test OR is_internal) = 0`, time.Time{}, time.Time{}, func(r driver.Rows) error {
		var hash, first, pays uint64
		var platform string
		var isPaid uint8
		if err := r.Scan(&hash, &platform, &first, &pays, &isPaid); err != nil {
			return err
		}
		channel, found := channelAt(hash, first)
		placed[platform+" "+channel]++
		if found {
			attributed[platform+" linked"]++
		} else {
			attributed[platform+" none"]++
		}
		if isPaid != 0 {
			channel, _ := channelAt(hash, pays)
			paid[platform+" "+channel]++
		}
		return nil
	})
	c.exactly(m, "ecom_orders_placed_total", []string{"platform", "channel"}, placed, how)
	c.exactly(m, "ecom_orders_paid_total", []string{"platform", "channel"}, paid, how)
	c.linked(m, attributed)
}

// linked compares whether orders had found a session, not how: that is in no table.
func (c *comparison) linked(m scrape, rows map[string]int64) {
	c.t.Helper()
	const name = "ecom_orders_attributed_total"
	c.names[name] = true
	got := map[string]int64{}
	for k, n := range m.by(name, []string{"platform", "status"}) {
		platform, status, _ := strings.Cut(k, " ")
		if status != "none" {
			status = "linked"
		}
		if got[platform+" "+status] += n; got[platform+" "+status] == 0 {
			delete(got, platform+" "+status)
		}
	}
	if d := cmp.Diff(got, rows); d != "" {
		c.t.Errorf("%s (-metrics +tables)\n%s", name, d)
	}
	c.t.Logf("%-40s %-34s %v", name, "platform, status none or not", got)
}
