package eyes

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/storepulse/storepulse/schemas"
)

// shop draws what the program's counters would show, minute by minute: sessions
// after a daily and weekly shape, each stage a binomial of the one before.
type shop struct {
	rng       *rand.Rand
	sessions  float64 // a minute, on average
	counters  map[string]*series
	outage    func(at time.Time, platform string) bool // payments fail
	silent    func(at time.Time, platform string) bool // client events vanish
	festival  func(at time.Time) bool                  // four times the visitors, who buy twice as often
	announced bool                                     // the festival stands in the configuration
	shape     func(at time.Time) float64               // how busy a moment is
	zone      *time.Location                           // of the shop, if it says so
}

type series struct {
	labels labels.Labels
	value  float64
}

func newShop(seed uint64, sessionsPerMinute float64) *shop {
	never := func(time.Time, string) bool { return false }
	return &shop{rng: rand.New(rand.NewPCG(seed, 1)), sessions: sessionsPerMinute, counters: map[string]*series{}, outage: never, silent: never, festival: func(time.Time) bool { return false }, shape: usualShape}
}

type part struct {
	name  string
	share float64
}

var (
	platforms = []part{{"app_ios", .35}, {"app_android", .35}, {"web_pc", .3}}
	channels  = []part{{"direct", .5}, {"paid_search", .3}, {"social", .2}}
	regions   = []part{{"CN-GD", .4}, {"CN-ZJ", .35}, {"CN-BJ", .25}}
	methods   = []part{{"alipay", .5}, {"wechat_pay", .4}, {"apple_pay", .1}}
	landings  = []part{{"home", .5}, {"product_detail", .5}}
	// From each stage to the next.
	steps = []float64{.6, .3, .5, .6, .85}
)

const (
	bounces    = .42
	eventsEach = 8 // client events of a session
	orderValue = 15000
)

// usualShape: nights are quiet, weekends are full.
func usualShape(at time.Time) float64 {
	h := float64(at.Hour()) + float64(at.Minute())/60
	daily := 1 + .6*math.Sin((h-9)/24*2*math.Pi)
	if w := at.Weekday(); w == time.Saturday || w == time.Sunday {
		daily *= 1.2
	}
	return daily
}

func (s *shop) poisson(mean float64) float64 {
	if mean > 50 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*s.rng.NormFloat64()))
	}
	limit, n, p := math.Exp(-mean), 0.0, s.rng.Float64()
	for p > limit {
		n++
		p *= s.rng.Float64()
	}
	return n
}

func (s *shop) binomial(n, p float64) float64 {
	if n*p*(1-p) > 20 {
		return math.Min(n, math.Max(0, math.Round(n*p+math.Sqrt(n*p*(1-p))*s.rng.NormFloat64())))
	}
	k := 0.0
	for range int(n) {
		if s.rng.Float64() < p {
			k++
		}
	}
	return k
}

func (s *shop) add(v float64, name string, kv ...string) {
	l := labels.FromStrings(append([]string{"__name__", name}, kv...)...)
	key := l.String()
	if s.counters[key] == nil {
		s.counters[key] = &series{labels: l}
	}
	s.counters[key].value += v
}

func (s *shop) set(v float64, name string, kv ...string) {
	s.add(0, name, kv...)
	s.counters[labels.FromStrings(append([]string{"__name__", name}, kv...)...).String()].value = v
}

// pipeline is one worker with two lanes that keeps up.
func (s *shop) pipeline(at time.Time, events float64) {
	const worker = "w0"
	behind := 2 * time.Minute // events may be so much out of order
	for _, lane := range []string{"0", "1"} {
		s.set(float64(at.Add(-behind).Unix()), "ecom_complete_until_timestamp_seconds", "lane", lane, "instance", worker)
		s.set(behind.Seconds(), "ecom_watermark_delay_seconds", "lane", lane, "instance", worker)
		s.set(0, "ecom_pipeline_lane_stopped", "lane", lane, "instance", worker)
		s.set(1e6, "ecom_state_bytes", "lane", lane, "instance", worker)
	}
	for _, topic := range []string{"clickstream", "orders"} {
		s.set(1, "ecom_kafka_consumer_lag_seconds", "topic", topic, "instance", worker)
		s.set(0, "ecom_kafka_consumer_lag_messages", "topic", topic, "instance", worker)
		s.set(0, "ecom_ledger_imbalance_events", "topic", topic, "instance", worker)
		s.add(events, "ecom_kafka_fetched_records_total", "topic", topic)
		s.add(events, "ecom_pipeline_records_total", "topic", topic, "outcome", "fact")
		s.add(s.poisson(events*.002), "ecom_events_dead_letter_total", "topic", topic, "reason", "bad_time")
		s.add(s.poisson(events*.005), "ecom_events_duplicate_total", "topic", topic)
		s.add(s.poisson(events*.003), "ecom_events_late_total", "topic", topic, "class", "late")
		s.add(s.poisson(events*.0001), "ecom_events_late_total", "topic", topic, "class", "too_late")
	}
	s.add(0, "ecom_clickhouse_insert_failures_total", "table", "fact_events", "class", "unknown")
	s.set(30, "ecom_clickhouse_parts_max")
	s.set(events*20, "ecom_sessions_open", "instance", worker)
	s.set(1, "up", "job", "storepulse", "instance", worker)
	s.set(1e9, "process_start_time_seconds", "job", "storepulse", "instance", worker)
	s.set(4e9, "go_gc_gomemlimit_bytes", "instance", worker)
}

// pass lets some time of the shop pass, and gives the counters after it.
func (s *shop) pass(at time.Time, length time.Duration) map[*labels.Labels]float64 {
	busy := s.sessions * length.Minutes() * s.shape(at) * (1 + .03*s.rng.NormFloat64())
	paidAll, festival := 0.0, s.festival(at)
	if festival {
		busy *= 4
	}
	for _, p := range platforms {
		tracked := 1.0
		if s.silent(at, p.name) {
			tracked = .05
		}
		for _, c := range channels {
			n := s.poisson(busy * p.share * c.share)
			reach := n
			seen := s.binomial(n, tracked)
			s.add(seen, "ecom_sessions_started_total", "platform", p.name, "channel", c.name)
			events := func(kind string, n float64) {
				s.add(s.binomial(n, tracked), "ecom_events_ingested_total", "topic", "clickstream", "type", kind, "platform", p.name)
			}
			events("page_view", n*eventsEach)
			cart := 0.0
			for i := schemas.StageVisit; i <= schemas.StagePay; i++ {
				if i > schemas.StageVisit {
					rate := steps[i-schemas.StageVisit-1]
					if festival && i == schemas.StageProductView {
						rate = 1
					}
					if festival && i == schemas.StageAddToCart {
						rate *= 1.2
					}
					if i == schemas.StagePay && s.outage(at, p.name) {
						rate = 0
					}
					reach = s.binomial(reach, rate)
				}
				s.add(s.binomial(reach, tracked), "ecom_session_stage_total", "stage", schemas.StageNames[i], "platform", p.name, "channel", c.name)
				for _, r := range regions {
					s.add(s.binomial(reach*r.share, tracked), "ecom_session_stage_region_total", "stage", schemas.StageNames[i], "region", r.name)
				}
				switch i {
				case schemas.StageProductView:
					events("view_item", reach)
				case schemas.StageAddToCart:
					cart = reach
					events("add_to_cart", reach)
				case schemas.StageCheckoutStart:
					events("begin_checkout", reach)
				case schemas.StageOrderSubmit:
					s.add(reach, "ecom_orders_placed_total", "platform", p.name, "channel", c.name)
					found := s.binomial(reach, .95*tracked)
					s.add(found, "ecom_orders_attributed_total", "status", "client_id", "platform", p.name)
					s.add(reach-found, "ecom_orders_attributed_total", "status", "none", "platform", p.name)
					for _, m := range methods {
						tries := s.poisson(reach * m.share)
						failed := s.binomial(tries, .02)
						if s.outage(at, p.name) {
							failed = tries
						}
						s.add(tries, "ecom_payment_attempts_total", "payment_method", m.name, "result", "attempted")
						s.add(failed, "ecom_payment_attempts_total", "payment_method", m.name, "result", "hard")
						s.add(s.binomial(tries-failed, .05), "ecom_payment_attempts_total", "payment_method", m.name, "result", "user_cancel")
					}
				case schemas.StagePay:
					s.add(reach, "ecom_orders_paid_total", "platform", p.name, "channel", c.name)
					s.add(s.binomial(cart, tracked), "ecom_cart_sessions_total", "outcome", "added", "platform", p.name, "channel", c.name)
					s.add(s.binomial(reach, tracked), "ecom_cart_sessions_total", "outcome", "paid", "platform", p.name, "channel", c.name)
					paidAll += reach
				}
			}
			for _, l := range landings {
				closed := s.poisson(seen * l.share)
				s.add(closed, "ecom_sessions_closed_total", "landing_page_type", l.name)
				s.add(s.binomial(closed, bounces), "ecom_sessions_bounced_total", "landing_page_type", l.name)
			}
		}
	}
	s.add(paidAll*orderValue+math.Sqrt(paidAll)*orderValue*s.rng.NormFloat64()*.5, "ecom_orders_paid_amount_minor_total", "currency", "CNY")
	s.add(s.poisson(busy*.1), "ecom_events_bot_total", "rule", "user_agent")
	s.add(0, "ecom_orders_foreign_currency_total")
	s.pipeline(at, busy*eventsEach)
	if s.announced {
		active := 0.0
		if festival {
			active = 1
		}
		s.set(active, "ecom_promo_active", "kind", "festival")
	}
	if s.zone != nil {
		_, ahead := at.In(s.zone).Zone()
		s.set(float64(ahead), "ecom_shop_utc_offset_seconds", "instance", "w0")
	}
	if paidAll > 0 {
		s.set(float64(at.Unix()), "ecom_last_paid_order_timestamp_seconds")
	}
	out := make(map[*labels.Labels]float64, len(s.counters))
	for _, c := range s.counters {
		out[&c.labels] = c.value
	}
	return out
}
