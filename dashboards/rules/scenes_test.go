package rules

import (
	"fmt"
	"strings"
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

func join(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func scenes() []scene {
	return join2(conversionScenes(), orderScenes(), trafficScenes(), pipelineScenes())
}

func join2(lists ...[]scene) (all []scene) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func conversionScenes() []scene {
	cvr, slice := `rate="cvr"`, `rate="cvr",dimension="platform",slice="app_ios"`
	pay := `rate="order_submit_to_pay"`
	promo := []string{flat(`ecom_promo_active{kind="festival"}`, 1)}
	return []scene{
		{id: "A-CVR-01", name: "3 % fall to 2 %", minutes: 40, series: shares(cvr, 20000, 400, .03), fires: []string{`severity="critical",window="30m"`}},
		{id: "A-CVR-01", name: "a drop below a fifth", minutes: 40, series: shares(cvr, 50000, 1215, .03)},
		{id: "A-CVR-01", name: "a fifth that may be chance", minutes: 40, series: shares(cvr, 2000, 48, .03)},
		{id: "A-CVR-01", name: "too few sessions", minutes: 40, series: shares(cvr, 499, 0, .06), thin: true},
		{id: "A-CVR-01", name: "too few expected", minutes: 40, series: shares(cvr, 1000, 0, .019), thin: true},
		{id: "A-CVR-01", name: "no weeks to compare with", minutes: 40, series: []string{flat("ecom:rate_n:inc30m{"+cvr+"}", 20000), flat("ecom:rate_k:inc30m{"+cvr+"}", 0)}, thin: true},
		{id: "A-CVR-01", name: "a quarter, in a promotion", minutes: 40, series: join(shares(cvr, 20000, 450, .03), promo)},
		{id: "A-CVR-01", name: "a half, in a promotion", minutes: 40, series: join(shares(cvr, 20000, 300, .03), promo), fires: []string{`severity="critical",window="30m"`}},
		{id: "A-CVR-01", name: "a quarter, no promotion runs", minutes: 40, series: join(shares(cvr, 20000, 450, .03), []string{flat(`ecom_promo_active{kind="festival"}`, 0)}), fires: []string{`severity="critical",window="30m"`}},
		{id: "A-CVR-01", name: "a quarter, no promotion of this shop", minutes: 40, series: join(shares(`tenant="north",`+cvr, 20000, 450, .03), shares(`tenant="south",`+cvr, 20000, 450, .03), []string{
			flat(`ecom_promo_active{tenant="south",kind="festival"}`, 1), flat(`ecom_promo_active{tenant="north",kind="festival"}`, 0),
		}), fires: []string{`severity="critical",window="30m"`}},
		{id: "A-CVR-02", name: "payments fail", minutes: 40, series: shares(pay, 400, 100, .7), fires: []string{`severity="critical",window="30m",step="order_submit_to_pay"`}},
		{id: "A-CVR-02", name: "an earlier step", minutes: 40, series: shares(`rate="visit_to_product_view"`, 4000, 1000, .6), fires: []string{`severity="warning",window="30m",step="visit_to_product_view"`}},
		{id: "A-CVR-02", name: "below a fifth", minutes: 40, series: shares(pay, 4000, 2250, .7)},
		{id: "A-CVR-02", name: "too few", minutes: 40, series: shares(pay, 299, 0, .7), thin: true},
		{id: "A-CVR-03", name: "iOS", minutes: 45, series: join(shares(cvr, 20000, 590, .03), shares(slice, 5000, 50, .03)), fires: []string{`severity="warning",window="30m",slice="app_ios"`}},
		{id: "A-CVR-03", name: "below 30 %", minutes: 45, series: join(shares(cvr, 20000, 590, .03), shares(slice, 5000, 106, .03))},
		{id: "A-CVR-03", name: "too small a part of the shop", minutes: 45, series: join(shares(cvr, 300000, 9000, .03), shares(slice, 5000, 50, .03))},
		{id: "A-CVR-03", name: "too few sessions", minutes: 45, series: join(shares(cvr, 3000, 90, .03), shares(slice, 299, 0, .1))},
		{id: "A-CVR-04", name: "carts stay", minutes: 50, series: shares(`rate="cart_to_pay"`, 2000, 400, .3), fires: []string{`severity="warning",window="30m"`}},
		{id: "A-CVR-04", name: "below 5 points", minutes: 50, series: shares(`rate="cart_to_pay"`, 2000, 510, .3)},
		{id: "A-CVR-04", name: "too few", minutes: 50, series: shares(`rate="cart_to_pay"`, 299, 20, .3), thin: true},
	}
}

func orderScenes() []scene {
	paid := func(now, mean float64) []string {
		return []string{
			flat(`ecom:count:inc30m{count="orders_paid"}`, now), flat(`ecom:count:mean30m{count="orders_paid"}`, mean), flat(`ecom:count:median30m{count="orders_paid"}`, mean),
			flat(`ecom:count:trend{count="orders_paid"}`, 1), flat(`ecom:count:trend{count="gmv_paid",currency="CNY"}`, 1),
		}
	}
	gmv := func(now, median float64) []string {
		return []string{flat(`ecom:count:inc30m{count="gmv_paid",currency="CNY"}`, now), flat(`ecom:count:median30m{count="gmv_paid",currency="CNY"}`, median)}
	}
	last := flat(`ecom_last_paid_order_timestamp_seconds{}`, 60)
	pay := func(n, failed, of7, failed7 float64) []string {
		m := `{slice="alipay"}`
		return []string{
			flat("ecom:payments:inc5m"+m, n), flat("ecom:payment_failures:inc5m"+m, failed), flat("ecom:payments:inc30m"+m, 6*n), flat("ecom:payment_failures:inc30m"+m, 6*failed), flat("ecom:payment_errors:inc30m"+m, 6*failed),
			flat("ecom:payments:base30m"+m, of7), flat("ecom:payment_failures:base30m"+m, failed7), flat("ecom:payment_errors:base30m"+m, failed7),
		}
	}
	return []scene{
		// 2 a minute: silence of 276 s, at least 5 minutes.
		{id: "A-ORD-01", name: "silence", minutes: 7, series: join(paid(0, 60), []string{last}), fires: []string{`severity="critical"`}},
		{id: "A-ORD-01", name: "not yet", minutes: 5, series: join(paid(0, 60), []string{last})},
		{id: "A-ORD-01", name: "a small shop waits longer", minutes: 60, series: join(paid(0, 3), []string{last})}, // 0.1 a minute: 92 minutes
		{id: "A-ORD-01", name: "too small a shop", minutes: 240, series: join(paid(0, 1), []string{last}), thin: true},
		{id: "A-GMV-01", name: "money and orders", minutes: 20, series: join(paid(100, 200), gmv(5e6, 1e7)), fires: []string{`severity="critical",window="30m"`}},
		{id: "A-GMV-01", name: "money alone", minutes: 20, series: join(paid(195, 200), gmv(5e6, 1e7)), fires: []string{`severity="warning",window="30m"`}},
		{id: "A-GMV-01", name: "just above 70 %", minutes: 20, series: join(paid(100, 200), gmv(7.1e6, 1e7))},
		{id: "A-GMV-01", name: "too few orders", minutes: 20, series: join(paid(0, 29), gmv(0, 1e6)), thin: true},
		{id: "A-GMV-01", name: "in a promotion", minutes: 20, series: join(paid(100, 200), gmv(5e6, 1e7), []string{flat(`ecom_promo_active{kind="flash"}`, 0), flat(`ecom_promo_active{kind="festival"}`, 1)})},
		{id: "A-GMV-01", name: "promotions that do not run", minutes: 20, series: join(paid(100, 200), gmv(5e6, 1e7), []string{flat(`ecom_promo_active{kind="flash"}`, 0), flat(`ecom_promo_active{kind="festival"}`, 0)}), fires: []string{`severity="critical",window="30m"`}},
		{id: "A-PAY-01", name: "half fails", minutes: 6, series: pay(100, 50, 4200, 84), fires: []string{`severity="critical",window="5m",slice="alipay",reason="failures"`}},
		{id: "A-PAY-01", name: "below 10 %", minutes: 6, series: pay(100, 9, 4200, 84)},
		{id: "A-PAY-01", name: "usual for this method", minutes: 6, series: pay(100, 15, 4200, 420)},
		{id: "A-PAY-01", name: "too few attempts", minutes: 6, series: pay(8, 7, 336, 7), thin: true},
		{id: "A-PAY-01", name: "none succeeds", minutes: 6, series: pay(4, 4, 168, 3), fires: []string{`severity="critical",window="30m",slice="alipay",reason="no_success"`}},
	}
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
	bounce := func(page string, n, now, base float64) []string {
		return shares(fmt.Sprintf(`rate="bounce",dimension="landing_page_type",slice=%q`, page), n, n*now, base)
	}
	ios := func(events, usual, orders, usualOrders float64) []string {
		of := func(series, count string) string {
			return fmt.Sprintf(`%s{count=%q,dimension="platform",slice="app_ios"}`, series, count)
		}
		return []string{
			flat(of("ecom:count:inc30m", "events"), events), flat(of("ecom:count:median30m", "events"), usual),
			flat(of("ecom:count:inc30m", "orders_placed"), orders), flat(of("ecom:count:median30m", "orders_placed"), usualOrders),
		}
	}
	quarter := func(events, usual, orders, usualOrders float64) []string {
		var out []string
		for _, line := range ios(events, usual, orders, usualOrders) {
			out = append(out, strings.NewReplacer("inc30m", "inc15m", "median30m", "median15m").Replace(line))
		}
		return out
	}
	return []scene{
		{id: "A-TRF-01", name: "the tracker of iOS fell silent", minutes: 15, series: join(sessions(330, 1000), quarter(200, 1000, 40, 40))},
		{id: "A-TRF-01", name: "iOS sells less as well", minutes: 15, series: join(sessions(330, 1000), quarter(200, 1000, 20, 40)), fires: []string{`severity="critical"`, `severity="warning"`}},
		{id: "A-TRK-01", name: "a quarter of an hour tells", minutes: 20, series: quarter(200, 1000, 40, 40), fires: []string{`severity="critical",slice="app_ios"`}},
		{id: "A-TRF-01", name: "a third is left", minutes: 15, series: sessions(330, 1000), fires: []string{`severity="critical"`, `severity="warning"`}},
		{id: "A-TRF-01", name: "two thirds are left", minutes: 15, series: sessions(660, 1000), fires: []string{`severity="warning"`}},
		{id: "A-TRF-01", name: "just above 70 %", minutes: 15, series: sessions(710, 1000)},
		{id: "A-TRF-01", name: "too few are usual", minutes: 15, series: sessions(20, 199), thin: true},
		{id: "A-TRF-02", name: "twice the sessions, half the sales", minutes: 15, series: crowd(2000, 1000, .01, .03), fires: []string{`severity="warning",reason="conversion"`}},
		{id: "A-TRF-02", name: "a good campaign", minutes: 15, series: crowd(2000, 1000, .02, .03)},
		{id: "A-TRF-02", name: "too few", minutes: 15, series: crowd(499, 200, .01, .03)},
		{id: "A-TRF-02", name: "bots", minutes: 15, series: join(crowd(1000, 1000, .03, .03), []string{flat(`ecom:bots:inc30m{}`, 2100), flat(`ecom:events:inc30m{}`, 10000)}), fires: []string{`severity="warning",reason="bots"`}},
		{id: "A-BNC-01", name: "home", minutes: 35, series: bounce("home", 1000, .55, .4), fires: []string{`severity="warning",window="30m",slice="home"`}},
		{id: "A-BNC-01", name: "below 10 points", minutes: 35, series: bounce("home", 1000, .49, .4)},
		{id: "A-BNC-01", name: "too few", minutes: 35, series: bounce("home", 299, .6, .4), thin: true},
		{id: "A-BNC-01", name: "fewer suffice at the cart", minutes: 35, series: bounce("cart", 120, .7, .4), fires: []string{`severity="warning",window="30m",slice="cart"`}},
		{id: "A-TRK-01", name: "iOS is silent and sells", minutes: 20, series: ios(200, 1000, 40, 40), fires: []string{`severity="critical",slice="app_ios"`}},
		{id: "A-TRK-01", name: "just above 30 %", minutes: 20, series: ios(310, 1000, 40, 40)},
		{id: "A-TRK-01", name: "sales are gone as well", minutes: 20, series: ios(200, 1000, 20, 40)},
		{id: "A-TRK-01", name: "too few events", minutes: 20, series: ios(5, 99, 40, 40), thin: true},
		{id: "A-TRK-01", name: "orders lose their sessions", minutes: 20, series: shares(`rate="attributed"`, 200, 140, .9), fires: []string{`severity="critical"`}},
		{id: "A-TRK-01", name: "fewer than 15 points", minutes: 20, series: shares(`rate="attributed"`, 200, 155, .9)},
	}
}

func pipelineScenes() []scene {
	busy := grows(`ecom_kafka_fetched_records_total{topic="clickstream"}`, 600)
	click := `topic="clickstream"`
	read := func(perMinute float64) string {
		return grows("ecom_pipeline_records_total{"+click+`,outcome="fact"}`, perMinute)
	}
	in := func(perMinute float64) string {
		return grows("ecom_events_ingested_total{"+click+`,type="page_view"}`, perMinute)
	}
	letters := func(perMinute float64) string {
		return grows("ecom_events_dead_letter_total{"+click+`,reason="bad_money"}`, perMinute)
	}
	up := func(v ...float64) (all []string) {
		for i, x := range v {
			all = append(all, flat(fmt.Sprintf(`up{job="storepulse",instance="w%d"}`, i), x))
		}
		return all
	}
	return []scene{
		{id: "A-PL-01", name: "behind", minutes: 6, series: []string{flat("ecom_kafka_consumer_lag_seconds{"+click+"}", 121)}, fires: []string{`severity="warning",topic="clickstream"`}},
		{id: "A-PL-01", name: "far behind", minutes: 6, series: []string{flat("ecom_kafka_consumer_lag_seconds{"+click+"}", 601)}, fires: []string{`severity="warning",topic="clickstream"`, `severity="critical",topic="clickstream"`}},
		{id: "A-PL-01", name: "growing", minutes: 40, series: []string{fmt.Sprintf("ecom_kafka_consumer_lag_seconds{%s} 0+10x300", click)}, fires: []string{`severity="warning",topic="clickstream"`, `severity="critical",topic="clickstream"`}},
		{id: "A-PL-01", name: "keeps up", minutes: 6, series: []string{flat("ecom_kafka_consumer_lag_seconds{"+click+"}", 120)}},
		{id: "A-PL-02", name: "stands", minutes: 12, series: []string{flat(`ecom_complete_until_timestamp_seconds{lane="0"}`, 0), busy}, fires: []string{`severity="critical"`}},
		{id: "A-PL-02", name: "just complete enough", minutes: 12, series: []string{flat(`ecom_complete_until_timestamp_seconds{lane="0"}`, 300), busy}},
		{id: "A-PL-02", name: "nothing arrives", minutes: 12, series: []string{flat(`ecom_complete_until_timestamp_seconds{lane="0"}`, 0), flat(`ecom_kafka_consumer_lag_messages{topic="clickstream"}`, 0)}},
		{id: "A-PL-03", name: "one in a hundred", minutes: 22, series: []string{read(200), letters(2)}, fires: []string{`severity="warning",topic="clickstream"`}},
		{id: "A-PL-03", name: "one in ten", minutes: 22, series: []string{read(200), letters(20)}, fires: []string{`severity="warning",topic="clickstream"`, `severity="critical",topic="clickstream"`}},
		{id: "A-PL-03", name: "below 0.5 %", minutes: 22, series: []string{read(1000), letters(4)}},
		{id: "A-PL-03", name: "too few", minutes: 22, series: []string{read(50), letters(1)}},
		{id: "A-PL-03", name: "a new reason", minutes: 8, series: []string{read(10000), letters(30)}, fires: []string{`severity="critical",topic="clickstream",reason="bad_money",trouble="new_reason"`}},
		{id: "A-PL-04", name: "late", minutes: 50, series: []string{in(100), grows("ecom_events_late_total{"+click+`,class="late"}`, 6)}, fires: []string{`severity="warning",topic="clickstream"`}},
		{id: "A-PL-04", name: "too late", minutes: 50, series: []string{in(1000), grows("ecom_events_late_total{"+click+`,class="too_late"}`, 2)}, fires: []string{`severity="warning",topic="clickstream"`}},
		{id: "A-PL-04", name: "below 5 %", minutes: 50, series: []string{in(100), grows("ecom_events_late_total{"+click+`,class="late"}`, 4)}},
		{id: "A-PL-04", name: "too few", minutes: 50, series: []string{in(30), grows("ecom_events_late_total{"+click+`,class="late"}`, 20)}},
		{id: "A-PL-05", name: "everything twice", minutes: 240, series: []string{in(100), "ecom_events_duplicate_total{" + click + "} 0+0x190 0+80x110"}, fires: []string{`severity="warning",topic="clickstream"`}},
		{id: "A-PL-05", name: "always so", minutes: 240, series: []string{in(100), grows("ecom_events_duplicate_total{"+click+"}", 20)}},
		{id: "A-PL-05", name: "too few", minutes: 240, series: []string{in(30), "ecom_events_duplicate_total{" + click + "} 0+0x190 0+80x110"}},
		{id: "A-PL-06", name: "stalled", minutes: 6, series: []string{flat(`ecom_watermark_delay_seconds{topic="clickstream",partition="3"}`, 901), busy}, fires: []string{`severity="critical",topic="clickstream",partition="3"`}},
		{id: "A-PL-06", name: "15 minutes", minutes: 6, series: []string{flat(`ecom_watermark_delay_seconds{topic="clickstream",partition="3"}`, 900), busy}},
		{id: "A-PL-07", name: "inserts fail and rows wait", minutes: 6, series: []string{grows(`ecom_clickhouse_insert_failures_total{table="fact_events",class="unknown"}`, 1), flat("ecom_kafka_consumer_lag_seconds{"+click+"}", 121)}, fires: []string{`severity="critical"`}},
		{id: "A-PL-07", name: "inserts fail and are repeated in time", minutes: 6, series: []string{grows(`ecom_clickhouse_insert_failures_total{table="fact_events",class="unknown"}`, 1), flat("ecom_kafka_consumer_lag_seconds{"+click+"}", 119)}},
		{id: "A-PL-07", name: "too many parts", minutes: 6, series: []string{flat(`ecom_clickhouse_parts_max{}`, 151)}, fires: []string{`severity="critical"`}},
		{id: "A-PL-08", name: "a row is missing", minutes: 1, series: []string{flat("ecom_ledger_imbalance_events{"+click+"}", 1)}, fires: []string{`severity="critical",topic="clickstream"`}},
		{id: "A-PL-08", name: "all agree", minutes: 1, series: []string{flat("ecom_ledger_imbalance_events{"+click+"}", 0)}},
		{id: "A-PL-11", name: "always", minutes: 1, series: up(1), fires: []string{`severity="info"`}},
		{id: "A-PL-12", name: "one of three", minutes: 4, series: up(1, 1, 0), fires: []string{`severity="warning",instance="w2"`}},
		{id: "A-PL-12", name: "two of three", minutes: 4, series: up(1, 0, 0), fires: []string{`severity="warning",instance="w1"`, `severity="warning",instance="w2"`, `severity="critical"`}},
		{id: "A-PL-12", name: "the only one", minutes: 4, series: up(0), fires: []string{`severity="warning",instance="w0"`, `severity="critical"`}},
		{id: "A-PL-12", name: "all well", minutes: 4, series: up(1, 1, 1)},
		{id: "A-PL-12", name: "starts again and again", minutes: 12, series: join(up(1), []string{`process_start_time_seconds{job="storepulse",instance="w0"} 0+120x300`}), fires: []string{`severity="warning",instance="w0",trouble="restarts"`}},
		{id: "A-PL-13", name: "little memory is left", minutes: 12, series: []string{flat(`ecom_state_bytes{instance="w0",lane="0"}`, 8.1e8), flat(`go_gc_gomemlimit_bytes{instance="w0"}`, 1e9)}, fires: []string{`severity="warning",instance="w0",trouble="memory"`}},
		{id: "A-PL-13", name: "memory is left", minutes: 12, series: []string{flat(`ecom_state_bytes{instance="w0",lane="0"}`, 7.9e8), flat(`go_gc_gomemlimit_bytes{instance="w0"}`, 1e9)}},
		{id: "A-PL-13", name: "no limit is set", minutes: 12, series: []string{flat(`ecom_state_bytes{instance="w0",lane="0"}`, 8.1e8), flat(`go_gc_gomemlimit_bytes{instance="w0"}`, 9.2e18)}},
	}
}
