package rules

import (
	"fmt"
	"slices"
)

// scene is a story told to the rules: series that stand or grow, for so many
// minutes, and which alerts of one id fire then, written as severity and what
// else tells them apart.
type scene struct {
	id, of  string // of: window, reason or trouble of the rule that it is about
	name    string
	kind    kind
	minutes int
	series  []string // `name{labels} values` in promtool's notation, a value a minute
	fires   []string
}

type kind int

const (
	other kind = iota
	fires
	below // the limit, barely
	thin  // too small a sample: "insufficient data" is said, unless the alert has no such flag
)

// flat is a series that stands at a value for five hours.
func flat(series string, v float64) string { return fmt.Sprintf("%s %g+0x300", series, v) }

// grows is a counter that gains so much a minute.
func grows(series string, perMinute float64) string {
	return fmt.Sprintf("%s 0+%gx300", series, perMinute)
}

// shares is a rate now and in the weeks before; the baseline is four times as large.
func shares(labels string, n, k, base float64) []string {
	return []string{
		flat("ecom:rate_n:inc30m{"+labels+"}", n), flat("ecom:rate_k:inc30m{"+labels+"}", k),
		flat("ecom:rate_n:base30m{"+labels+"}", 4*n), flat("ecom:rate_k:base30m{"+labels+"}", 4*n*base),
	}
}

// sharesOver is a rate over a window, of which each half hour has its part.
func sharesOver(w window, labels string, n, k, base float64) []string {
	parts := 2 * hours[w]
	out := shares(labels, n/parts, k/parts, base)
	if w == day { // recorded once a day has passed
		out = append(out, flat("ecom:rate_n:inc1d{"+labels+"}", n), flat("ecom:rate_k:inc1d{"+labels+"}", k))
	}
	if w != halfHour {
		out = append(out, flat(fmt.Sprintf("ecom:rate_n:base%s{%s}", w, labels), 4*n), flat(fmt.Sprintf("ecom:rate_k:base%s{%s}", w, labels), 4*n*base))
	}
	return out
}

// patience is when a window's alert must have fired.
var patience = map[window]int{halfHour: 55, twoHours: 150, day: 40}

func scenes() []scene {
	return slices.Concat(conversionScenes(), orderScenes(), trafficScenes(), trackingScenes(), pipelineScenes())
}

func conversionScenes() []scene {
	cvr, slice := `rate="cvr"`, `rate="cvr",dimension="channel",slice="social"`
	pay, cart := `rate="order_submit_to_pay"`, `rate="cart_to_pay"`
	promo := []string{flat(`ecom_promo_active{kind="festival"}`, 1)}
	out := []scene{
		{"A-CVR-01", "30m", "3 % fall to 2 %", fires, 40, shares(cvr, 20000, 400, .03), []string{`severity="critical",window="30m"`}},
		{"A-CVR-01", "30m", "a drop below a fifth", below, 40, shares(cvr, 50000, 1215, .03), nil},
		{"A-CVR-01", "30m", "a fifth that may be chance", below, 40, shares(cvr, 2000, 48, .03), nil},
		{"A-CVR-01", "30m", "too few sessions", thin, 40, shares(cvr, 499, 0, .06), nil},
		{"A-CVR-01", "30m", "too few expected", thin, 40, shares(cvr, 1000, 0, .019), nil},
		{"A-CVR-01", "30m", "no weeks to compare with", thin, 40, []string{flat("ecom:rate_n:inc30m{"+cvr+"}", 20000), flat("ecom:rate_k:inc30m{"+cvr+"}", 0)}, nil},
		{"A-CVR-01", "30m", "around the sample, both windows are judged", other, 150, sharesOver(twoHours, cvr, 4*550, 4*20, .1), []string{`severity="critical",window="30m"`, `severity="critical",window="2h"`}},
		{"A-CVR-01", "30m", "a quarter, in a promotion", other, 40, slices.Concat(shares(cvr, 20000, 450, .03), promo), nil},
		{"A-CVR-01", "30m", "a half, in a promotion", fires, 40, slices.Concat(shares(cvr, 20000, 300, .03), promo), []string{`severity="critical",window="30m"`}},
		{"A-CVR-01", "30m", "a quarter, no promotion runs", fires, 40, slices.Concat(shares(cvr, 20000, 450, .03), []string{flat(`ecom_promo_active{kind="festival"}`, 0)}), []string{`severity="critical",window="30m"`}},
		{"A-CVR-01", "30m", "a quarter, no promotion of this shop", fires, 40, slices.Concat(shares(`tenant="north",`+cvr, 20000, 450, .03), shares(`tenant="south",`+cvr, 20000, 450, .03), []string{
			flat(`ecom_promo_active{tenant="south",kind="festival"}`, 1), flat(`ecom_promo_active{tenant="north",kind="festival"}`, 0),
		}), []string{`severity="critical",window="30m"`}},
		{"A-CVR-02", "30m", "payments fail", fires, 40, shares(pay, 400, 100, .7), []string{`severity="critical",window="30m",step="order_submit_to_pay"`}},
		{"A-CVR-02", "30m", "an earlier step", fires, 40, shares(`rate="visit_to_product_view"`, 4000, 1000, .6), []string{`severity="warning",window="30m",step="visit_to_product_view"`}},
		{"A-CVR-02", "30m", "below a fifth", below, 40, shares(pay, 4000, 2250, .7), nil},
		{"A-CVR-02", "30m", "too few", thin, 40, shares(pay, 299, 0, .7), nil},
		{"A-CVR-03", "30m", "social", fires, 45, slices.Concat(shares(cvr, 20000, 590, .03), shares(slice, 5000, 50, .03)), []string{`severity="warning",window="30m",slice="social"`}},
		{"A-CVR-03", "30m", "below 30 %", below, 45, slices.Concat(shares(cvr, 20000, 590, .03), shares(slice, 5000, 106, .03)), nil},
		{"A-CVR-03", "30m", "too small a part of the shop", other, 45, slices.Concat(shares(cvr, 300000, 9000, .03), shares(slice, 5000, 50, .03)), nil},
		{"A-CVR-03", "30m", "too few sessions", thin, 45, slices.Concat(shares(cvr, 3000, 90, .03), shares(slice, 299, 0, .1)), nil},
		{"A-CVR-04", "30m", "carts stay", fires, 50, shares(cart, 2000, 400, .3), []string{`severity="warning",window="30m"`}},
		{"A-CVR-04", "30m", "below 5 points", below, 50, shares(cart, 2000, 510, .3), nil},
		{"A-CVR-04", "30m", "too few", thin, 50, shares(cart, 299, 20, .3), nil},
	}
	// The larger windows, where the half hours have no sample.
	for _, w := range []window{twoHours, day} {
		over, all := string(w), sharesOver(w, cvr, 3600, 36*3, .03)
		out = append(
			out,
			scene{"A-CVR-01", over, "half of the sales", fires, patience[w], sharesOver(w, cvr, 1900, 95, .1), []string{fmt.Sprintf(`severity="critical",window=%q`, over)}},
			scene{"A-CVR-01", over, "below a fifth", below, patience[w], sharesOver(w, cvr, 1900, 155, .1), nil},
			scene{"A-CVR-02", over, "half of a step", fires, patience[w], sharesOver(w, pay, 1100, 300, .7), []string{fmt.Sprintf(`severity="critical",window=%q,step="order_submit_to_pay"`, over)}},
			scene{"A-CVR-02", over, "below a fifth", below, patience[w], sharesOver(w, pay, 1100, 620, .7), nil},
			scene{"A-CVR-03", over, "half of a slice", fires, patience[w], slices.Concat(all, sharesOver(w, slice, 1100, 40, .1)), []string{fmt.Sprintf(`severity="warning",window=%q,slice="social"`, over)}},
			scene{"A-CVR-03", over, "below 30 %", below, patience[w], slices.Concat(all, sharesOver(w, slice, 1100, 78, .1)), nil},
			scene{"A-CVR-04", over, "carts stay", fires, patience[w], sharesOver(w, cart, 1100, 200, .3), []string{fmt.Sprintf(`severity="warning",window=%q`, over)}},
			scene{"A-CVR-04", over, "below 5 points", below, patience[w], sharesOver(w, cart, 1100, 280, .3), nil},
		)
	}
	return out
}

// soldOver is how many orders and how much GMV a window has, and usually has.
func soldOver(w window, orders, usual, gmv, usualGMV float64) []string {
	out := []string{flat(`ecom:count:trend{count="orders_paid"}`, 1), flat(`ecom:count:trend{count="gmv_paid",currency="CNY"}`, 1)}
	for _, smaller := range growing {
		part := hours[smaller] / hours[w]
		if smaller == w {
			part = 1
		}
		if smaller != twoHours { // that is the sum of four half hours
			out = append(out, flat(fmt.Sprintf(`ecom:count:inc%s{count="orders_paid"}`, smaller), orders*part), flat(fmt.Sprintf(`ecom:count:inc%s{count="gmv_paid",currency="CNY"}`, smaller), gmv*part))
		}
		out = append(out, flat(fmt.Sprintf(`ecom:count:mean%s{count="orders_paid"}`, smaller), usual*part), flat(fmt.Sprintf(`ecom:count:median%s{count="gmv_paid",currency="CNY"}`, smaller), usualGMV*part))
		if smaller == w {
			break
		}
	}
	return out
}

func orderScenes() []scene {
	// Paid orders that are usual in half an hour, and in two.
	usual := func(half, two float64) []string {
		return []string{flat(`ecom:count:inc30m{count="orders_paid"}`, 0), flat(`ecom:count:mean30m{count="orders_paid"}`, half), flat(`ecom:count:mean2h{count="orders_paid"}`, two)}
	}
	last := flat(`ecom_last_paid_order_timestamp_seconds{}`, 60)
	complete := `ecom_complete_until_timestamp_seconds{lane="0"} -120+60x300`
	pay := func(n, failed, of7, failed7 float64) []string {
		m := `{slice="alipay"}`
		return []string{
			flat("ecom:payments:inc5m"+m, n), flat("ecom:payment_failures:inc5m"+m, failed), flat("ecom:payments:inc30m"+m, 6*n), flat("ecom:payment_failures:inc30m"+m, 6*failed), flat("ecom:payment_errors:inc30m"+m, 6*failed),
			flat("ecom:payments:base30m"+m, of7), flat("ecom:payment_failures:base30m"+m, failed7), flat("ecom:payment_errors:base30m"+m, failed7),
		}
	}
	promo := func(flash, festival float64) []string {
		return []string{flat(`ecom_promo_active{kind="flash"}`, flash), flat(`ecom_promo_active{kind="festival"}`, festival)}
	}
	out := []scene{
		// 2 a minute: silence of 8 minutes, and the facts are complete until 2 ago.
		{"A-ORD-01", "", "silence", fires, 12, append(usual(60, 240), last, complete), []string{`severity="critical"`}},
		{"A-ORD-01", "", "not yet", below, 10, append(usual(60, 240), last, complete), nil},
		{"A-ORD-01", "", "nobody knows while the facts are not complete", other, 30, append(usual(60, 240), last, flat(`ecom_complete_until_timestamp_seconds{lane="0"}`, 60)), nil},
		{"A-ORD-01", "", "a small shop waits longer", below, 160, append(usual(3, 12), last, complete), nil},
		{"A-ORD-01", "", "a small shop", fires, 165, append(usual(3, 12), last, complete), []string{`severity="critical"`}},
		{"A-ORD-01", "", "a night before a busy morning", below, 60, append(usual(60, 12), last, complete), nil},
		{"A-ORD-01", "", "too small a shop", thin, 240, append(usual(1, 4), last, complete), nil},
		{"A-GMV-01", "30m", "money and orders", fires, 20, soldOver(halfHour, 100, 200, 5e6, 1e7), []string{`severity="critical",window="30m"`}},
		{"A-GMV-01", "30m", "money alone", fires, 20, soldOver(halfHour, 195, 200, 5e6, 1e7), []string{`severity="warning",window="30m"`}},
		{"A-GMV-01", "30m", "just above 70 %", below, 20, soldOver(halfHour, 100, 200, 7.1e6, 1e7), nil},
		{"A-GMV-01", "30m", "too few orders", thin, 20, soldOver(halfHour, 0, 29, 0, 1e6), nil},
		{"A-GMV-01", "30m", "in a promotion", other, 20, slices.Concat(soldOver(halfHour, 100, 200, 5e6, 1e7), promo(0, 1)), nil},
		{"A-GMV-01", "30m", "promotions that do not run", fires, 20, slices.Concat(soldOver(halfHour, 100, 200, 5e6, 1e7), promo(0, 0)), []string{`severity="critical",window="30m"`}},
		{"A-GMV-01", "2h", "money and orders", fires, 150, soldOver(twoHours, 40, 100, 4e6, 1e7), []string{`severity="critical",window="2h"`}},
		{"A-GMV-01", "2h", "money alone", fires, 150, soldOver(twoHours, 99, 100, 4e6, 1e7), []string{`severity="warning",window="2h"`}},
		{"A-GMV-01", "2h", "just above 70 %", below, 150, soldOver(twoHours, 40, 100, 7.1e6, 1e7), nil},
		{"A-GMV-01", "1d", "money and orders", fires, 40, soldOver(day, 100, 200, 4e6, 1e7), []string{`severity="critical",window="1d"`}},
		{"A-GMV-01", "1d", "money alone", fires, 40, soldOver(day, 199, 200, 4e6, 1e7), []string{`severity="warning",window="1d"`}},
		{"A-GMV-01", "1d", "just above 70 %", below, 40, soldOver(day, 100, 200, 7.1e6, 1e7), nil},
		{"A-PAY-01", "5m failures", "half fails", fires, 6, pay(100, 50, 4200, 84), []string{`severity="critical",window="5m",slice="alipay",reason="failures"`}},
		{"A-PAY-01", "5m failures", "below 10 %", below, 6, pay(100, 9, 4200, 84), nil},
		{"A-PAY-01", "5m failures", "usual for this method", below, 6, pay(100, 15, 4200, 420), nil},
		{"A-PAY-01", "30m failures", "half fails", fires, 6, pay(20, 10, 840, 17), []string{`severity="critical",window="30m",slice="alipay",reason="failures"`}},
		{"A-PAY-01", "30m failures", "below 10 %", below, 6, pay(20, 1.9, 840, 17), nil},
		{"A-PAY-01", "30m failures", "too few attempts", thin, 6, pay(8, 7, 56, 1), nil},
		{"A-PAY-01", "30m failures", "no days to compare with", thin, 6, pay(100, 100, 0, 0), nil},
		{"A-PAY-01", "30m no_success", "none succeeds", fires, 6, pay(4, 4, 168, 3), []string{`severity="critical",window="30m",slice="alipay",reason="no_success"`}},
		{"A-PAY-01", "30m no_success", "the last attempt is under way", fires, 6, pay(10, 9.9, 420, 8), []string{`severity="critical",window="30m",slice="alipay",reason="failures"`, `severity="critical",window="30m",slice="alipay",reason="no_success"`}},
		{"A-PAY-01", "30m no_success", "nobody can try", fires, 6, pay(0, 0, 168, 3), []string{`severity="critical",window="30m",slice="alipay",reason="no_success"`}},
		{"A-PAY-01", "30m no_success", "two succeed", below, 6, pay(4, 3.66, 168, 3), nil},
		{"A-PAY-01", "30m no_success", "hardly anybody pays so", thin, 6, pay(1, 1, 60, 0), nil},
	}
	return out
}

func trafficScenes() []scene {
	sessions := func(now, usual float64) []string {
		return []string{flat(`ecom:sessions:inc15m{}`, now), flat(`ecom:sessions:median15m{}`, usual)}
	}
	crowd := func(now, usual, cvr, cvr0 float64) []string {
		return []string{
			flat(`ecom:count:inc30m{count="sessions"}`, now), flat(`ecom:count:median30m{count="sessions"}`, usual),
			flat(`ecom:rate_n:inc30m{rate="cvr"}`, now), flat(`ecom:rate_k:inc30m{rate="cvr"}`, now*cvr), flat(`ecom:rate_n:base30m{rate="cvr"}`, 4*usual), flat(`ecom:rate_k:base30m{rate="cvr"}`, 4*usual*cvr0),
		}
	}
	bots := func(sessions, bots float64) []string {
		return append(crowd(sessions, sessions, .03, .03), flat(`ecom:bots:inc30m{}`, bots), flat(`ecom:events:inc30m{}`, 10000))
	}
	bounce := func(page string, n, now, base float64) []string {
		return shares(fmt.Sprintf(`rate="bounce",dimension="landing_page_type",slice=%q`, page), n, n*now, base)
	}
	critical, warning := `severity="critical",window="15m"`, `severity="warning",window="15m"`
	return []scene{
		{"A-TRF-01", "15m", "a third is left", fires, 15, sessions(330, 1000), []string{critical, warning}},
		{"A-TRF-01", "15m", "two thirds are left", fires, 15, sessions(660, 1000), []string{warning}},
		{"A-TRF-01", "15m", "just above 70 %", below, 15, sessions(710, 1000), nil},
		{"A-TRF-01", "15m", "too few are usual", thin, 15, sessions(20, 199), nil},
		{"A-TRF-01", "15m", "the tracker of iOS fell silent", other, 15, slices.Concat(sessions(330, 1000), ios(quarter, "events", 200, 1000, 40, 40)), nil},
		{"A-TRF-01", "15m", "one of its events fell silent", fires, 15, slices.Concat(sessions(330, 1000), ios(quarter, "view_item", 200, 1000, 40, 40)), []string{critical, warning}},
		{"A-TRF-01", "15m", "iOS sells less as well", fires, 15, slices.Concat(sessions(330, 1000), ios(quarter, "events", 200, 1000, 20, 40)), []string{critical, warning}},
		{"A-TRF-02", "30m conversion", "twice the sessions, half the sales", fires, 15, crowd(2000, 1000, .01, .03), []string{`severity="warning",window="30m",reason="conversion"`}},
		{"A-TRF-02", "30m conversion", "more than half the sales", below, 15, crowd(2000, 1000, .0155, .03), nil},
		{"A-TRF-02", "30m conversion", "less than twice", below, 15, crowd(1990, 1000, .01, .03), nil},
		{"A-TRF-02", "30m conversion", "twice, in a promotion", other, 15, append(crowd(2000, 1000, .01, .03), flat(`ecom_promo_active{kind="festival"}`, 1)), nil},
		{"A-TRF-02", "30m conversion", "too few", thin, 15, crowd(499, 200, .01, .03), nil},
		{"A-TRF-02", "30m bots", "bots", fires, 15, bots(1000, 2100), []string{`severity="warning",window="30m",reason="bots"`}},
		{"A-TRF-02", "30m bots", "below a fifth", below, 15, bots(1000, 1990), nil},
		{"A-TRF-02", "30m bots", "too few", thin, 15, bots(499, 4000), nil},
		{"A-BNC-01", "30m", "home", fires, 35, bounce("home", 1000, .55, .4), []string{`severity="warning",window="30m",slice="home"`}},
		{"A-BNC-01", "30m", "below 10 points", below, 35, bounce("home", 1000, .49, .4), nil},
		{"A-BNC-01", "30m", "too few", thin, 35, bounce("home", 299, .6, .4), nil},
		{"A-BNC-01", "30m", "fewer suffice at the cart", fires, 35, bounce("cart", 120, .7, .4), []string{`severity="warning",window="30m",slice="cart"`}},
	}
}

// ios is how much of a kind of events a platform sends, and how it sells.
func ios(w window, count string, events, usual, orders, usualOrders float64) []string {
	of := func(series, count string) string {
		return fmt.Sprintf(`ecom:count:%s%s{count=%q,dimension="platform",slice="app_ios"}`, series, w, count)
	}
	return []string{
		flat(of("inc", count), events), flat(of("median", count), usual),
		flat(of("inc", "orders_placed"), orders), flat(of("median", "orders_placed"), usualOrders),
	}
}

func trackingScenes() []scene {
	inDoubt := func(reason, slice string) (all []string) {
		for _, w := range growing {
			all = append(all, fmt.Sprintf(`severity="info",window=%q,%sreason="%s_aftermath"`, w, slice, reason))
		}
		return all
	}
	silent := append(inDoubt("events", `slice="app_ios",`), `severity="critical",window="30m",slice="app_ios",reason="events"`)
	attributed := `rate="attributed"`
	out := []scene{
		{"A-TRK-01", "30m events", "iOS is silent and sells", fires, 20, ios(halfHour, "events", 200, 1000, 40, 40), silent},
		{"A-TRK-01", "30m events", "a quarter of an hour tells", fires, 20, slices.Concat(ios(quarter, "events", 200, 1000, 40, 40), ios(halfHour, "events", 1000, 1000, 40, 40)), silent},
		{"A-TRK-01", "30m events", "a type of events alone", fires, 20, slices.Concat(ios(halfHour, "add_to_cart", 20, 100, 40, 40), ios(halfHour, "events", 1000, 1000, 40, 40)[:2]), silent},
		{"A-TRK-01", "30m events", "just above 30 %", below, 20, ios(halfHour, "events", 310, 1000, 40, 40), nil},
		{"A-TRK-01", "30m events", "sales are gone as well", below, 20, ios(halfHour, "events", 200, 1000, 20, 40), nil},
		{"A-TRK-01", "30m events", "too few events", thin, 20, ios(halfHour, "events", 5, 99, 40, 40), nil},
		{"A-TRK-01", "30m events", "too few orders", thin, 20, ios(halfHour, "events", 200, 1000, 19, 19), nil},
		{"A-TRK-01", "30m attribution", "orders lose their sessions", fires, 20, shares(attributed, 200, 140, .9), append(inDoubt("attribution", ""), `severity="critical",window="30m",reason="attribution"`)},
		{"A-TRK-01", "30m attribution", "fewer than 15 points", below, 20, shares(attributed, 200, 155, .9), nil},
		{"A-TRK-01", "30m attribution", "too few orders", thin, 20, shares(attributed, 19, 5, .9), nil},
	}
	for _, w := range growing {
		out = append(
			out,
			scene{"A-TRK-01", string(w) + " events_aftermath", "in doubt before it pages", fires, 8, ios(halfHour, "events", 200, 1000, 40, 40), inDoubt("events", `slice="app_ios",`)},
			scene{"A-TRK-01", string(w) + " events_aftermath", "just above 30 %", below, 8, ios(halfHour, "events", 310, 1000, 40, 40), nil},
			scene{"A-TRK-01", string(w) + " attribution_aftermath", "in doubt before it pages", fires, 8, shares(attributed, 200, 140, .9), inDoubt("attribution", "")},
			scene{"A-TRK-01", string(w) + " attribution_aftermath", "fewer than 15 points", below, 8, shares(attributed, 200, 155, .9), nil},
		)
	}
	return out
}
