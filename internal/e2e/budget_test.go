package e2e

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/prom"
	"github.com/storepulse/storepulse/transform"
)

// budget is the greatest number of series of one worker and shop: docs/design.md, section 7.
const budget = 4000

// TestLabelBudget: 10,000 products, 1,000 campaigns and trackers that send
// garbage in every field a label comes from. Decoder, sessions and /metrics are
// the program's own; what is exposed are the closed lists and nothing else.
func TestLabelBudget(t *testing.T) {
	tenants := []schemas.Tenant{{ID: "north", Location: time.UTC, Currency: "CNY"}, {ID: "south", Location: time.UTC, Currency: "JPY"}, {ID: "west", Location: time.UTC, Currency: "KWD"}}
	var categories []string
	for i := range 30 {
		categories = append(categories, fmt.Sprintf("category %d", i))
	}
	voc, err := schemas.NewVocabulary([schemas.NumTopics]string{"clicks", "orders"}, tenants, []string{"share"}, categories)
	if err != nil {
		t.Fatal(err)
	}
	register := schemas.NewRegister(voc)
	shown := prom.New(voc, register)
	reg := prometheus.NewRegistry()
	reg.MustRegister(shown, prom.NewPromotions(voc, register, nil, time.Now))
	page := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	defer page.Close()
	before := samplesAt(t, page.URL)

	state, out := transform.New(voc, register, transform.DefaultSettings()), transform.NewOutput(voc, register)
	batch, decoder := schemas.NewBatch(voc), schemas.NewDecoder(voc)
	start := time.Date(2026, 11, 11, 2, 0, 0, 0, time.UTC)
	hostile := &garbage{rand.New(rand.NewPCG(1, 2)), start, 0}
	accepted, refused := [schemas.NumTopics]int{}, 0
	for epoch := range uint64(30) {
		batch.Reset()
		for range 1500 {
			topic, value := hostile.event()
			if decoder.Decode(topic, &schemas.Record{Offset: int64(hostile.n), Timestamp: hostile.now().UnixMilli(), Key: []byte("k"), Value: value}, batch) == schemas.ReasonNone {
				accepted[topic]++
			} else {
				refused++
			}
		}
		in := transform.Input{Epoch: epoch + 1, Batch: batch, Watermark: state.NextWatermark(batch), LastClick: int64(hostile.n)}
		if epoch == 29 {
			in.Watermark = state.CloseAllWatermark()
		}
		if err := state.Apply(transform.Version, in, out); err != nil {
			t.Fatal(err)
		}
		shown.Publish(0, out.Deltas)
	}
	if accepted[0] < 15_000 || accepted[1] < 10_000 || refused < 1000 {
		t.Fatalf("%v accepted, %d refused: too much of the garbage is garbage to the decoder", accepted, refused)
	}

	after := samplesAt(t, page.URL)
	// What comes later than the start are gauges, with a lane, and histograms.
	late := map[string]bool{}
	for _, m := range register.Metrics {
		if m.Type != schemas.Counter {
			late[m.Name], late[m.Name+"_bucket"], late[m.Name+"_sum"], late[m.Name+"_count"] = true, true, true, true
		}
	}
	counters := func(page []string) (kept []string) {
		for _, s := range page {
			if !late[nameOf(s)] {
				kept = append(kept, s)
			}
		}
		return kept
	}
	if diff := gocmp.Diff(counters(after), counters(before)); diff != "" {
		t.Errorf("series that garbage has made or unmade (-after, +before):\n%.2000s", diff)
	}
	for _, shop := range tenants {
		n, by := 0, map[string]int{}
		for _, s := range after {
			if strings.Contains(s, fmt.Sprintf("tenant=%q", shop.ID)) {
				n++
				by[nameOf(s)]++
			}
		}
		if n > budget || n < 3000 {
			t.Errorf("%s has %d series, want at most %d (and not none)", shop.ID, n, budget)
		}
		names := slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(by[b]-by[a], strings.Compare(a, b)) })
		text := fmt.Sprintf("%s: %d series of %d names", shop.ID, n, len(names))
		for _, name := range names[:10] {
			text += fmt.Sprintf("\n%6d  %s", by[name], name)
		}
		t.Log(text)
	}
	// The garbage went somewhere: into the values that stand for it.
	values := scraped(t, strings.TrimPrefix(page.URL, "http://"))
	for _, want := range [][]string{
		{"ecom_units_sold_total", "category_l1", "other", "tenant", "south"},
		{"ecom_session_stage_region_total", "region", "other", "stage", "visit", "tenant", "north"},
		{"ecom_payment_attempts_total", "payment_method", "other", "result", "unknown_error", "tenant", "west"},
		{"ecom_orders_foreign_currency_total", "tenant", "north"},
		{"ecom_orders_placed_amount_minor_total", "channel", "unknown", "currency", "JPY", "platform", "other", "tenant", "south"},
	} {
		if values.sum(want[0], want[1:]...) == 0 {
			t.Errorf("%s is 0", want)
		}
	}
}

// garbage makes events: well-formed, and with a new value in every field that
// could become a label.
type garbage struct {
	rng   *rand.Rand
	start time.Time
	n     int
}

func (g *garbage) now() time.Time { return g.start.Add(time.Duration(g.n) * 400 * time.Millisecond) }

// any gives one of the good values or one that nobody has seen.
func (g *garbage) any(good ...string) string {
	if g.rng.IntN(2) == 0 {
		return good[g.rng.IntN(len(good))]
	}
	return fmt.Sprintf("junk-%d-漢\\\"{}=,", g.rng.IntN(1_000_000))
}

func (g *garbage) event() (schemas.Topic, []byte) {
	g.n++
	shop := []string{"north", "south", "west"}[g.rng.IntN(3)]
	at := g.now().Format(time.RFC3339Nano)
	sku := fmt.Sprintf(`{"item_id":"S%05d","item_name":"n","item_category":%q,"price":"10","quantity":2}`, g.n%10_000, g.any("category 7", "shoes"))
	currency := []string{"CNY", "JPY", "KWD", "USD", "EUR"}[g.rng.IntN(5)]
	visitor := fmt.Sprintf("v%d", g.rng.IntN(3000))
	platform := "h5"
	if g.rng.IntN(5) == 0 { // of client events these become dead letters
		platform = g.any("app_ios", "web_pc", "other")
	}
	head := fmt.Sprintf(`{"id":"e%d","source":"/%s","time":%q,"tenantid":%q,"anonymous_id":%q,"platform":"%s",`, g.n, g.any("t"), at, shop, visitor, platform)
	if g.rng.IntN(5) < 3 {
		kind := g.any("page_view", "view_item", "add_to_cart", "begin_checkout", "search", "share")
		if g.rng.IntN(4) > 0 {
			kind = []string{"page_view", "view_item", "add_to_cart", "begin_checkout"}[g.rng.IntN(4)]
		}
		page := g.any("home", "product_detail", "live")
		if kind == "page_view" && g.rng.IntN(4) > 0 {
			page = "home"
		}
		return schemas.Clickstream, fmt.Appendf(nil, `%s"type":"%s","page_type":"%s","region":"%s","consent":"%s","utm_source":"%s","utm_medium":"%s","utm_campaign":"campaign %d","user_agent":"%s","items":[%s],"currency":%q,"value":"20","query":"%s","result_count":3}`,
			head, kind, page, g.any("CN-ZJ"), g.any("granted"), g.any("baidu"), g.any("cpc", "live"), g.n%1000, g.any("bot"), sku, currency, g.any("q"))
	}
	kind := []string{"order.created", "order.paid", "order.cancelled", "payment.attempted", "payment.failed", "refund.succeeded"}[g.rng.IntN(6)]
	order := fmt.Sprintf(`"type":"%s","order_id":"o%d","order_version":%d,"currency":%q,"ship_region":"%s","order_type":"%s","fulfillment_type":"%s","payment_method":"%s","error_type":"%s","error_code":"%s",`,
		kind, g.n, g.n, currency, g.any("CN-ZJ"), g.any("normal"), g.any("warehouse"), g.any("alipay"), g.any("hard"), g.any("x"))
	return schemas.OrdersTopic, fmt.Appendf(nil, `%s%s"cancel_reason":"%s","paid":false,"reason":"%s","refund_type":"%s","refund_id":"r%d","amount":"5","attempt_id":"a%d","goods_amount":"20","discount_total":"0","freight_amount":"0","tax_amount":"0","payable_amount":"20","paid_amount":"20","created_at":%q,"paid_at":%q,"items":[%s]}`,
		head, order, g.any("buyer"), g.any("size"), g.any("refund_only"), g.n, g.n, at, at, sku)
}

// samplesAt gives the series of a page, without their values.
func samplesAt(t *testing.T, url string) (all []string) {
	t.Helper()
	res, err := devtest.HTTP.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			all = append(all, line[:strings.LastIndexByte(line, ' ')])
		}
	}
	return all
}

func nameOf(series string) string {
	name, _, _ := strings.Cut(series, "{")
	return name
}
