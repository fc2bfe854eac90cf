package gen

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

func TestParseIncident(t *testing.T) {
	for text, want := range map[string]Incident{
		"payment_outage,start=2m,length=10m,platform=app_ios":        {PaymentOutage, 2 * time.Minute, 12 * time.Minute, Slice{Platform: "app_ios"}},
		"payment_outage,payment_method=alipay,length=1h,start=0s":    {PaymentOutage, 0, time.Hour, Slice{PaymentMethod: "alipay"}},
		"slow_pages,start=1h,length=30m,channel=live,page_type=live": {SlowPages, time.Hour, 90 * time.Minute, Slice{Channel: "live", PageType: "live"}},
		"tracking_loss,start=1h,length=30m":                          {TrackingLoss, time.Hour, 90 * time.Minute, Slice{}},
		"stock_out,start=1h,length=30m,category=beauty":              {StockOut, time.Hour, 90 * time.Minute, Slice{Category: "beauty"}},
		"stock_out,start=1h,length=30m,product=S00007":               {StockOut, time.Hour, 90 * time.Minute, Slice{Product: "S00007"}},
	} {
		got, err := ParseIncident(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got, +want):\n%s", text, diff)
		}
		again, err := ParseIncident(fmt.Sprintf("%s,start=%s,length=%s", got, got.From, got.To-got.From))
		if err != nil || again != got {
			t.Errorf("%s is written as %q and read as %v, %v", text, got.String(), again, err)
		}
	}
}

// All faults are said at once.
func TestParseIncidentFaults(t *testing.T) {
	for text, want := range map[string][]string{
		"":               {`kind: must be one of payment_outage, slow_pages, tracking_loss, stock_out (got "")`, "start: must be given", "length: must be given"},
		"payment_outage": {"start: must be given, as in start=10m", "length: must be given"},
		"payment_outage,start=soon,length=0,platform=ios,channel=live,start=1m,colour=red": {
			`start: must be a duration of the shop's time such as 90s, 10m or 2h (got "soon")`, `length: must be a duration`, "start: must be given once",
			`"colour": must be start, length, or one of platform, payment_method`,
			`platform: must be one of mini_program, app_android, app_ios, h5, web_pc, other (got "ios")`, "channel: means nothing for payment_outage, which takes platform, payment_method",
		},
		"stock_out,start=-1s,length=1h,category=": {"start: must be a duration", "category: must have a value"},
		"stock_out,start=1s,length=1h,":           {`"": must be start, length, or one of category, product`},
	} {
		_, err := ParseIncident(text)
		if err == nil {
			t.Errorf("%q is taken", text)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %v\nwant it to say %s", text, err, w)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(want) {
			t.Errorf("%q has %d faults, want %d: %v", text, n, len(want), err)
		}
	}
	err := Settings{Start: start, SKUs: 20, Incidents: []Incident{
		{StockOut, 0, time.Hour, Slice{Product: "S00021", Platform: "h5"}}, {StockOut, 0, time.Hour, Slice{Product: "S0007"}}, {9, 0, time.Hour, Slice{}},
	}}.Validate()
	want := "incidents[0]: platform: means nothing for stock_out, which takes category, product\n" +
		"incidents[0]: product: must be from S00001 to S00020 (got \"S00021\")\nincidents[1]: product: must be from S00001 to S00020 (got \"S0007\")\n" +
		"incidents[2]: kind: must be below 4 (got 9)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// told is what a stream says in the hour of the incident, and outside it, by
// event name with what tells slices apart.
type told struct {
	in, out map[string]int
	stats   *Stats
	orders  []byte // the orders topic, all of it
}

// tell plays three hours with an incident in the second.
func tell(t *testing.T, in ...Incident) told {
	t.Helper()
	g := New(Settings{Seed: 3, Start: start, Rate: 20, FlatDay: true, Duration: 3 * time.Hour, Incidents: in})
	if err := g.set.Validate(); err != nil {
		t.Fatal(err)
	}
	d, b := schemas.NewDecoder(vocabulary(t)), schemas.NewBatch(vocabulary(t))
	got := told{in: map[string]int{}, out: map[string]int{}, stats: g.Stats()}
	for e := (Event{}); g.Next(&e); {
		if len(b.Events.Time)+len(b.Orders.Time) == 512 {
			b.Reset() // not each time: it touches every column
		}
		if reason := d.Decode(e.Topic, &schemas.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time.UnixMilli()}, b); reason != schemas.ReasonNone {
			t.Fatalf("%s: %s", reason, e.Value)
		}
		var names []string
		var at int64
		add := func(parts ...string) { names = append(names, strings.Join(parts, " ")) }
		if e.Topic == schemas.Clickstream {
			c := b.Events
			i := len(c.Time) - 1
			at = c.Time[i]
			kind, platform := schemas.KindNames[c.Kind[i]], schemas.PlatformNames[c.Platform.Index[i]]
			add(kind)
			add(kind, platform)
			add("client", platform)
			add(kind, schemas.PageTypeNames[c.PageType.Index[i]], platform)
			if c.Kind[i] == uint8(schemas.KindAddToCart) {
				add(kind, itemField(e.Value, "item_category"))
				add(kind, itemField(e.Value, "item_id"))
			}
		} else {
			o := b.Orders
			i := len(o.Time) - 1
			at = o.Time[i]
			got.orders = append(append(got.orders, e.Value...), '\n')
			kind, platform := schemas.KindNames[o.Kind[i]], schemas.PlatformNames[o.Platform.Index[i]]
			add(kind)
			add(kind, platform)
			add(kind, platform, schemas.PaymentErrorNames[o.PaymentError.Index[i]])
			add(kind, schemas.PaymentMethodNames[o.PaymentMethod.Index[i]])
		}
		counts := got.out
		if since := time.UnixMilli(at).Sub(start); since >= time.Hour && since < 2*time.Hour {
			counts = got.in
		}
		for _, name := range names {
			counts[name]++
		}
	}
	return got
}

func itemField(value []byte, name string) string {
	_, rest, _ := bytes.Cut(value, []byte(`"`+name+`":"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(text)
}

// hour makes an incident of the second one.
func hour(kind IncidentKind, s Slice) Incident {
	return Incident{kind, time.Hour, 2 * time.Hour, s}
}

// near says that two numbers of comparable samples are like one another.
func near(a, b int) bool { return float64(a) > 0.6*float64(b) && float64(a) < 1.6*float64(b) }

func TestIncidents(t *testing.T) {
	calm := tell(t)
	for name, play := range map[string]func(*testing.T, told){
		"payment outage": paymentOutage, "slow pages": slowPages, "tracking loss": trackingLoss, "stock-out": stockOut,
	} {
		t.Run(name, func(t *testing.T) { play(t, calm) })
	}
}

func paymentOutage(t *testing.T, calm told) {
	ill := tell(t, hour(PaymentOutage, Slice{Platform: "app_ios"}))
	if n := ill.in["order.paid app_ios"]; n != 0 {
		t.Errorf("%d orders were paid in an outage", n)
	}
	hard, attempts := ill.in["payment.failed app_ios hard"], ill.in["payment.attempted app_ios"]
	if hard < attempts-5 || hard < 25 || hard != ill.in["payment.failed app_ios"] || int64(hard) != ill.stats.Incidents[0] {
		t.Errorf("of %d attempts %d failed hard, %d in all; the generator counts %d", attempts, hard, ill.in["payment.failed app_ios"], ill.stats.Incidents[0])
	}
	if a, b := ill.in["payment.attempted app_ios"], calm.in["payment.attempted app_ios"]; a < 2*b {
		t.Errorf("%d attempts, without the outage %d: nobody tries again", a, b)
	}
	for _, p := range []string{"app_android", "mini_program"} {
		if a, b := ill.in["order.paid "+p], calm.in["order.paid "+p]; !near(a, b) {
			t.Errorf("%s: %d paid, without the outage %d", p, a, b)
		}
	}
	if a, b := ill.out["order.paid app_ios"], calm.out["order.paid app_ios"]; !near(a, b) {
		t.Errorf("outside the outage: %d paid, without it %d", a, b)
	}
	method := tell(t, hour(PaymentOutage, Slice{PaymentMethod: "alipay"}))
	if a, b := method.in["order.paid alipay"], method.in["order.paid wechat_pay"]; a != 0 || b < 10 {
		t.Errorf("%d orders paid with alipay in its outage, %d with WeChat Pay", a, b)
	}
}

func slowPages(t *testing.T, calm told) {
	ill := tell(t, hour(SlowPages, Slice{Platform: "h5", PageType: "product_detail"}))
	perView := func(n map[string]int, p string) float64 {
		return float64(n["view_item product_detail "+p]) / float64(n["page_view product_detail "+p])
	}
	if a := perView(ill.in, "h5"); a > 0.65 || a < 0.35 {
		t.Errorf("%.2f of the slow product pages were seen, want about a half", a)
	}
	if a, b := perView(ill.in, "app_ios"), perView(ill.out, "h5"); a < 0.95 || b < 0.95 {
		t.Errorf("product pages seen on another platform %.2f, at another time %.2f", a, b)
	}
	if a, b := ill.in["add_to_cart h5"], calm.in["add_to_cart h5"]; 3*a > 2*b {
		t.Errorf("%d carts in front of slow pages, without them %d", a, b)
	}
	if got, want := ill.stats.Incidents[0], int64(ill.in["page_view product_detail h5"]); got < want || got > want+20 { // some are on the way when the stream ends
		t.Errorf("the generator counts %d slow pages, want %d", got, want)
	}
}

func trackingLoss(t *testing.T, calm told) {
	ill := tell(t, hour(TrackingLoss, Slice{Platform: "app_android"}))
	if n := ill.in["client app_android"]; n != 0 {
		t.Errorf("%d client events were sent", n)
	}
	if !bytes.Equal(calm.orders, ill.orders) || ill.in["order.paid app_android"] == 0 {
		t.Errorf("the order system has noticed: %d bytes of events, without the loss %d", len(ill.orders), len(calm.orders))
	}
	lost := map[string]int{}
	for name, n := range calm.in {
		if d := n - ill.in[name]; d != 0 && strings.HasPrefix(name, "client ") {
			lost[name] = d
		}
	}
	if diff := cmp.Diff(lost, map[string]int{"client app_android": int(ill.stats.Incidents[0])}); diff != "" {
		t.Errorf("lost (-got, +counted):\n%s", diff)
	}
	if diff := cmp.Diff(ill.out, calm.out); diff != "" {
		t.Errorf("outside the loss (-got, +without it):\n%s", diff)
	}
}

func stockOut(t *testing.T, calm told) {
	ill := tell(t, hour(StockOut, Slice{Category: "beauty"}), hour(StockOut, Slice{Product: "S00001"}))
	for _, what := range []string{"beauty", "S00001"} {
		if a, b := ill.in["add_to_cart "+what], calm.in["add_to_cart "+what]; a != 0 || b < 3 {
			t.Errorf("%s was added %d times while out of stock, %d times without", what, a, b)
		}
	}
	if n := ill.out["add_to_cart beauty"]; n < 20 {
		t.Errorf("beauty was added only %d times outside", n)
	}
	if a, b := ill.in["add_to_cart"], calm.in["add_to_cart"]; a > 95*b/100 {
		t.Errorf("%d carts, without the stock-out %d", a, b)
	}
	if n := ill.stats.Incidents; n[0] < 10 || n[1] < 3 {
		t.Errorf("refused: %v", n)
	}
	kinds := slices.Collect(maps.Keys(ill.in))
	if !slices.Contains(kinds, "add_to_cart electronics") {
		t.Error("nothing else was added either")
	}
}

// Two streams with the same incidents are one.
func TestIncidentsAreDeterministic(t *testing.T) {
	s := Settings{Seed: 5, Start: start, Rate: 20, MaxEvents: 30_000, Defects: messy, Incidents: []Incident{
		{PaymentOutage, 5 * time.Minute, 15 * time.Minute, Slice{}},
		{TrackingLoss, 10 * time.Minute, 20 * time.Minute, Slice{Channel: "live"}},
		{SlowPages, 0, time.Hour, Slice{PageType: "home"}},
		{StockOut, 0, time.Hour, Slice{Category: "home"}},
	}}
	a, b := New(s), New(s)
	for ea, eb := (Event{}), (Event{}); a.Next(&ea); {
		if !b.Next(&eb) || !bytes.Equal(ea.Value, eb.Value) || !ea.Time.Equal(eb.Time) {
			t.Fatalf("%s\n%s", ea.Value, eb.Value)
		}
	}
	if diff := cmp.Diff(a.Stats(), b.Stats()); diff != "" {
		t.Error(diff)
	}
	if slices.Contains(a.Stats().Incidents, 0) {
		t.Errorf("an incident changed nothing: %v", a.Stats().Incidents)
	}
}

// The stream says when an incident begins and ends, once, and what it did.
func TestNews(t *testing.T) {
	g := New(Settings{Seed: 5, Start: start, Rate: 20, FlatDay: true, Duration: 40 * time.Minute, Incidents: []Incident{
		{StockOut, 30 * time.Minute, 2 * time.Hour, Slice{}}, {TrackingLoss, 10 * time.Minute, 20 * time.Minute, Slice{Platform: "h5"}},
	}})
	var got []string
	for e := (Event{}); g.Next(&e); {
		got = append(got, g.News(e.Time)...)
	}
	got = append(got, g.Unfinished()...)
	n := g.Stats().Incidents
	want := []string{
		"incident begins, 2026-11-09T16:10:00Z to 2026-11-09T16:20:00Z of the shop's time: tracking_loss,platform=h5",
		fmt.Sprintf("incident ended: tracking_loss,platform=h5; %d client events lost", n[1]),
		"incident begins, 2026-11-09T16:30:00Z to 2026-11-09T18:00:00Z of the shop's time: stock_out",
		fmt.Sprintf("incident goes on where the stream stops: stock_out; %d products kept out of carts", n[0]),
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("news (-got, +want):\n%s", diff)
	}
}
