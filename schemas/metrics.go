package schemas

import (
	"fmt"
	"slices"
)

// MetricType is the Prometheus type of a series family.
type MetricType uint8

const (
	Counter MetricType = iota
	Gauge
	Histogram
)

// Label is one closed label of a metric.
type Label struct {
	Name   string
	Values []string
}

// Metric defines one business series family, once, for the transform that
// counts it, the sink that exposes it and the dashboards that show it.
// The label tenant is added in front when more than one tenant is configured.
type Metric struct {
	Name, Help, Unit string
	Type             MetricType
	Labels           []Label
	Buckets          []float64 // of a histogram, in Unit
	base, size       int       // place in the dense vector, set by NewRegister
	strides          []int
}

// Register is the list of all business metrics with their places in one dense
// vector a tenant: adding to a counter is one array increment.
type Register struct {
	Metrics []*Metric
	Size    int // slots a tenant
	OrdersPlaced, OrdersPaid, OrdersPlacedAmount, OrdersPaidAmount, OrdersRegionPaid, OrdersCancelled,
	OrdersAttributed, OrderStateConflicts, OrdersForeignCurrency, UnitsSold, PaymentAttempts, Refunds, RefundAmount,
	PageViews, SessionsStarted, SessionsClosed, SessionsBounced, SessionExits, SessionStage, SessionStageRegion, CartSessions,
	SessionsMerged, Searches, EventsBot, EventsConsent, EventsIngested, EventsDeadLetter, EventsLate, EventsDuplicate, EventsTombstone,
	StateCut, SessionDuration, CheckoutDuration, EventLateness *Metric
	// PromoActive follows from the configuration and the clock. No lane counts it,
	// so it has no place in the vector.
	PromoActive *Metric
	// ShopClock follows from the time zone alone.
	ShopClock                                                                                             *Metric
	OrdersUnpaid, BuyersToday, VisitorsToday, VisitorsActive, SessionsActive, SessionsOpen, LastPaidOrder *Metric
}

// AgeBucketNames are the age buckets of unpaid orders (FUN-09).
var AgeBucketNames = []string{"lt_15m", "15m_1h", "1h_24h", "gt_24h"}

// AttributionNames say how an order found its session (PLT-12).
var AttributionNames = []string{"none", "client_id", "anonymous", "user"}

// PaymentResultNames are attempted, or the error type of a failure.
var PaymentResultNames = []string{"attempted", "hard", "soft", "user_cancel", "risk_block", "timeout", "unknown_error"}

// PromotionKindNames are the kinds of promotions a configuration may name.
var PromotionKindNames = []string{"flash", "presale", "big_promotion", "member_day", "festival", "full_reduction", "coupon", "joint"}

// NewRegister lays out the series for the vocabulary.
func NewRegister(v *Vocabulary) *Register {
	r := &Register{}
	bools := []string{"false", "true"}
	var reporting []string
	for _, t := range v.Tenants {
		if !slices.Contains(reporting, t.Currency) {
			reporting = append(reporting, t.Currency)
		}
	}
	slices.Sort(reporting)
	platform, channel := Label{"platform", PlatformNames}, Label{"channel", ChannelNames}
	device, pageType := Label{"device_class", DeviceClassNames}, Label{"page_type", PageTypeNames}
	landing, stage := Label{"landing_page_type", PageTypeNames}, Label{"stage", StageNames[1:]}
	region, currency := Label{"region", RegionNames}, Label{"currency", reporting}
	topic := Label{"topic", TopicNames}
	add := func(t MetricType, name, unit, help string, labels ...Label) *Metric {
		m := &Metric{Name: name, Help: help, Unit: unit, Type: t, Labels: labels}
		r.Metrics = append(r.Metrics, m)
		return m
	}
	hist := func(name, help string, buckets []float64, labels ...Label) *Metric {
		m := add(Histogram, name, "seconds", help, labels...)
		m.Buckets = buckets
		return m
	}

	r.OrdersPlaced = add(Counter, "ecom_orders_placed_total", "orders", "Orders created.", platform, channel)
	r.OrdersPaid = add(Counter, "ecom_orders_paid_total", "orders", "Orders fully paid.", platform, channel)
	r.OrdersPlacedAmount = add(Counter, "ecom_orders_placed_amount_minor_total", "minor units", "Payable amount of orders created (GMV placed).", currency, platform, channel)
	r.OrdersPaidAmount = add(Counter, "ecom_orders_paid_amount_minor_total", "minor units", "Paid amount of orders paid (GMV paid).", currency, platform, channel)
	r.OrdersRegionPaid = add(Counter, "ecom_orders_region_paid_total", "orders", "Orders paid by shipping province.", region)
	r.OrdersCancelled = add(Counter, "ecom_orders_cancelled_total", "orders", "Orders cancelled.", Label{"reason", CancelReasonNames}, Label{"paid", bools})
	r.OrdersAttributed = add(Counter, "ecom_orders_attributed_total", "orders", "Orders created by how they found their session when first seen.", Label{"status", AttributionNames}, platform)
	r.OrderStateConflicts = add(Counter, "ecom_order_state_conflicts_total", "events", "Order events whose state or amounts contradict.", Label{"kind", []string{"payable_mismatch", "paid_twice", "lower_rank", "currency_mismatch"}})
	r.OrdersForeignCurrency = add(Counter, "ecom_orders_foreign_currency_total", "orders", "Orders paid in another currency than the shop reports in: counted as orders, absent from amounts.")
	r.UnitsSold = add(Counter, "ecom_units_sold_total", "units", "Units in paid orders.", Label{"category_l1", v.Categories})
	r.PaymentAttempts = add(Counter, "ecom_payment_attempts_total", "attempts", "Payment attempts and failures.", Label{"payment_method", PaymentMethodNames}, Label{"result", PaymentResultNames})
	r.Refunds = add(Counter, "ecom_refunds_total", "refunds", "Refunds succeeded.", Label{"reason", RefundReasonNames}, Label{"type", RefundTypeNames})
	r.RefundAmount = add(Counter, "ecom_refund_amount_minor_total", "minor units", "Amount of refunds succeeded.", currency)
	r.PageViews = add(Counter, "ecom_page_views_total", "views", "Page views.", pageType, platform)
	r.SessionsStarted = add(Counter, "ecom_sessions_started_total", "sessions", "Sessions first seen.", platform, channel)
	r.SessionsClosed = add(Counter, "ecom_sessions_closed_total", "sessions", "Sessions closed by the watermark.", landing, device)
	r.SessionsBounced = add(Counter, "ecom_sessions_bounced_total", "sessions", "Closed sessions with one page view and no conversion action.", landing, device)
	r.SessionExits = add(Counter, "ecom_session_exits_total", "sessions", "Closed sessions by the type of their last page.", pageType)
	r.SessionStage = add(Counter, "ecom_session_stage_total", "sessions", "Sessions that reached a funnel stage, counted when first seen there.", stage, platform, channel)
	r.SessionStageRegion = add(Counter, "ecom_session_stage_region_total", "sessions", "Sessions that reached a funnel stage, by province.", stage, region)
	r.CartSessions = add(Counter, "ecom_cart_sessions_total", "sessions", "Sessions with a cart event, and those of them that paid.", Label{"outcome", []string{"added", "paid"}}, platform, channel)
	r.SessionsMerged = add(Counter, "ecom_sessions_merged_total", "sessions", "Sessions that disappeared into another one.")
	r.Searches = add(Counter, "ecom_searches_total", "searches", "On-site searches.", Label{"result", []string{"unknown", "found", "zero"}})
	r.EventsBot = add(Counter, "ecom_events_bot_total", "events", "Events recognised as a bot's.", Label{"rule", BotRuleNames[1:]})
	r.EventsConsent = add(Counter, "ecom_events_consent_total", "events", "Client events by consent state.", Label{"state", ConsentNames})
	r.EventsIngested = add(Counter, "ecom_events_ingested_total", "events", "Events accepted.", topic, Label{"type", KindNames[:]}, platform)
	r.EventsDeadLetter = add(Counter, "ecom_events_dead_letter_total", "events", "Records set aside.", topic, Label{"reason", ReasonNames[1:]})
	r.EventsLate = add(Counter, "ecom_events_late_total", "events", "Events outside the merge horizon (late) or older than 72 h (too_late).", topic, Label{"class", LateClassNames[1:]})
	r.EventsDuplicate = add(Counter, "ecom_events_duplicate_total", "events", "Events dropped because (source, id) was seen.", topic)
	r.EventsTombstone = add(Counter, "ecom_events_tombstone_total", "events", "Records without a value, ignored.", topic)
	r.StateCut = add(Counter, "ecom_state_cut_total", "items", "What a bound of the state cut off.", Label{"bound", []string{"session_events", "visitor_users", "visitor_orders", "dedup_window", "rebuilds"}})
	r.SessionDuration = hist("ecom_session_duration_seconds", "Duration of closed sessions.", []float64{0, 10, 30, 60, 180, 600, 1800, 3600, 14400}, device)
	r.CheckoutDuration = hist("ecom_checkout_duration_seconds", "Time from the first begin_checkout to the linked order.", []float64{10, 30, 60, 120, 300, 600, 1800, 3600}, device)
	r.EventLateness = hist("ecom_event_lateness_seconds", "How far an event lay behind the newest one of its topic and lane, at most seven days.", []float64{1, 10, 60, 120, 600, 1800, 7200, 86400, 259200}, topic)

	r.OrdersUnpaid = add(Gauge, "ecom_orders_unpaid", "orders", "Unpaid orders in state, by age.", Label{"age_bucket", AgeBucketNames})
	r.BuyersToday = add(Gauge, "ecom_buyers_today", "buyers", "Distinct paying visitors of the business day, an upper bound for people.", platform)
	r.VisitorsToday = add(Gauge, "ecom_visitors_today", "visitors", "Distinct visitors with a page view on the business day.", platform)
	r.VisitorsActive = add(Gauge, "ecom_visitors_active", "visitors", "Visitors with activity in the last 5 minutes of event time.", platform)
	r.SessionsActive = add(Gauge, "ecom_sessions_active", "sessions", "Sessions with activity in the last 5 minutes of event time.")
	r.SessionsOpen = add(Gauge, "ecom_sessions_open", "sessions", "Sessions not yet closed by the watermark.")
	r.LastPaidOrder = add(Gauge, "ecom_last_paid_order_timestamp_seconds", "seconds", "When the newest order that was counted as paid was paid; the maximum over lanes counts, not the sum.")

	r.PromoActive = &Metric{
		Name: "ecom_promo_active", Help: "1 while a configured promotion of the kind runs; every worker says it, the maximum counts.",
		Unit: "0 or 1", Type: Gauge, Labels: []Label{{"kind", PromotionKindNames}}, size: len(PromotionKindNames),
	}
	r.ShopClock = &Metric{
		Name: "ecom_shop_utc_offset_seconds", Help: "By how much the clock of the shop is ahead of UTC now; every worker says it, the maximum counts.",
		Unit: "seconds", Type: Gauge, size: 1,
	}
	for _, m := range r.Metrics {
		m.base = r.Size
		m.size = 1
		m.strides = make([]int, len(m.Labels))
		for i := len(m.Labels) - 1; i >= 0; i-- {
			m.strides[i] = m.size
			m.size *= len(m.Labels[i].Values)
		}
		if m.Type == Histogram {
			m.size *= m.cell()
		}
		r.Size += m.size
	}
	return r
}

// cell is the number of slots of one histogram series: a count per bucket and
// for +Inf, then the sum in milliseconds.
func (m *Metric) cell() int { return len(m.Buckets) + 2 }

// Series is the number of label combinations.
func (m *Metric) Series() int {
	if m.Type == Histogram {
		return m.size / m.cell()
	}
	return m.size
}

// Slot gives the place of a label combination in the dense vector of a tenant.
// Label values are indexes into the closed lists. A histogram's slot is its first bucket.
func (m *Metric) Slot(labels ...int) int {
	s := 0
	for i, l := range labels {
		if uint(l) >= uint(len(m.Labels[i].Values)) {
			panic(fmt.Sprintf("BUG: %s label %s index %d", m.Name, m.Labels[i].Name, l))
		}
		s += l * m.strides[i]
	}
	if m.Type == Histogram {
		s *= m.cell()
	}
	return m.base + s
}

// Deltas are the metric changes of one epoch: a dense vector a tenant, and the
// gauges of the lane as they stand after the epoch.
type Deltas struct {
	Register *Register
	Tenants  [][]int64 // by tenant, Register.Size slots; gauges are absolute, the rest are increments
}

// NewDeltas gives a zero vector for every tenant.
func NewDeltas(r *Register, tenants int) *Deltas {
	d := &Deltas{Register: r, Tenants: make([][]int64, tenants)}
	for i := range d.Tenants {
		d.Tenants[i] = make([]int64, r.Size)
	}
	return d
}

// Reset sets everything to zero.
func (d *Deltas) Reset() {
	for _, t := range d.Tenants {
		clear(t)
	}
}

// Add increments a counter.
func (d *Deltas) Add(tenant int, m *Metric, n int64, labels ...int) {
	d.Tenants[tenant][m.Slot(labels...)] += n
}

// Set sets a gauge.
func (d *Deltas) Set(tenant int, m *Metric, n int64, labels ...int) {
	d.Tenants[tenant][m.Slot(labels...)] = n
}

// Observe counts a duration in a histogram.
func (d *Deltas) Observe(tenant int, m *Metric, ms int64, labels ...int) {
	s := m.Slot(labels...)
	i := 0
	for i < len(m.Buckets) && float64(ms) > m.Buckets[i]*1000 {
		i++
	}
	d.Tenants[tenant][s+i]++
	d.Tenants[tenant][s+m.cell()-1] += ms
}
