package schemas

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// row tells a row of a table by its stored columns, leaving out what is zero
// or empty.
func row(f Facts, i int) map[string]string {
	out := map[string]string{}
	for n, c := range f.Columns() {
		name, text := f.Table().Columns[n].Name, ""
		switch c := c.(type) {
		case *Strings:
			text = string(c.At(i))
		case *Dict:
			if c.Index[i] != 0 || name == "tenant" {
				text = c.Names[c.Index[i]]
			}
		case *Fixed[ID]:
			text = fmt.Sprintf("%x", (*c)[i][:4])
		case *Fixed[uint8]:
			text = number((*c)[i])
		case *Fixed[uint16]:
			text = number((*c)[i])
		case *Fixed[uint32]:
			text = number((*c)[i])
		case *Fixed[uint64]:
			text = number((*c)[i])
		case *Fixed[int64]:
			text = number((*c)[i])
			if n := (*c)[i]; n > 1e12 {
				text = time.UnixMilli(n).UTC().Format("2006-01-02T15:04:05.000Z")
			}
		case *NullTimes:
			if n := (*c)[i]; n != 0 {
				text = time.UnixMilli(n).UTC().Format("2006-01-02T15:04:05.000Z")
			}
		}
		if text != "" {
			out[name] = text
		}
	}
	return out
}

func number[T uint8 | uint16 | uint32 | uint64 | int64](n T) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func hash64(tenant, key string) string {
	h, _ := Hash64(nil, tenant, []byte(key))
	return fmt.Sprint(h)
}

func visitor(prefix, key string) string {
	id, _ := VisitorID(nil, "default", prefix, []byte(key))
	return fmt.Sprintf("%x", id[:4])
}

func TestClickRow(t *testing.T) {
	v := testVocabulary(t)
	b := NewBatch(v)
	value := `{ "id":"e-1", "source":"/tracker/app", "type":"ecom.click.add_to_cart.v1", "time":"2026-03-01T09:30:00.5+08:00",
		"senttime":"2026-03-01T09:30:02+08:00", "receivedtime":"2026-03-01T01:30:03Z", "sequence":7,
		"anonymous_id":"a-\u0031", "user_id":"u-1", "client_session_id":"s-1", "platform":"app_ios", "page_type":"product_detail",
		"page_url":"https://shop.example/\u9f99\u4e95", "referrer":"https://www.baidu.com/", "region":"CN-GD", "consent":"granted",
		"user_agent":"Mozilla/5.0 (compatible; Googlebot/2.1)", "ip":"192.0.2.7", "click_id":"gclid:1",
		"currency":"CNY", "value":"137.90", "is_internal":true,
		"items":[ {"item_id":"sku-1", "item_category":"tea", "price":"64.00", "quantity":2, "ip":"192.0.2.7", "coupon":"c 1"}, {"item_id":"sku-2","price":9.9} ],
		"app":{ "version": "8.1", "client_ip":"192.0.2.7" } }`
	if r := NewDecoder(v).Decode(Clickstream, &Record{Offset: 42, Timestamp: 1772328700000, Value: []byte(value)}, b); r != ReasonNone {
		t.Fatalf("%s %s: %s", r, b.Letters.Field.At(0), b.Letters.Detail.At(0))
	}
	want := map[string]string{
		"kafka_offset": "42", "tenant": "default", "event_id": "e-1", "source": "/tracker/app", "event_type": "add_to_cart",
		"event_time": "2026-03-01T01:30:00.500Z", "received_at": "2026-03-01T01:30:03.000Z",
		"visitor_id": visitor("", "a-1"), "user_hash": hash64("default", "u-1"), "anonymous_id": "a-1", "user_id": "u-1", "client_session_id": "s-1",
		"platform": "app_ios", "device_class": "mobile", "page_type": "product_detail", "channel": "paid_search", "region": "CN-GD",
		"page_url": "https://shop.example/龙井", "referrer": "https://www.baidu.com/", "item_id": "sku-1", "category_l1": "tea",
		"items":      `[{"item_id":"sku-1","item_category":"tea","price":"64.00","quantity":2,"ip":null,"coupon":"c 1"},{"item_id":"sku-2","price":9.9}]`,
		"item_count": "2", "quantity": "3", "value_minor": "13790", "currency": "CNY", "consent": "granted", "sequence": "7",
		"is_internal": "1", "is_bot": "1", "extra": `{"click_id":"gclid:1","app":{"version":"8.1","client_ip":null}}`,
	}
	if diff := cmp.Diff(row(b.Events, 0), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	e := b.Events
	if Kind(e.Kind[0]) != KindAddToCart || e.Sent[0] != 1772328602000 || e.Explicit[0] != 1 || e.Key[0] != EventKey(7, e.Dedup[0]) || e.Order[0] != 0 {
		t.Errorf("side columns: kind %d sent %d explicit %d key %x", e.Kind[0], e.Sent[0], e.Explicit[0], e.Key[0])
	}
}

func TestOrderRow(t *testing.T) {
	v := testVocabulary(t)
	b := NewBatch(v)
	value := `{"id":"e-9","source":"/oms","type":"order.created","time":"2026-03-01T01:30:00Z","order_id":"o-1","order_version":3,"user_id":"u-1",
		"platform":"fridge","order_type":"normal","fulfillment_type":"pickup","ship_region":"CN-XX","currency":"CNY","goods_amount":"118.00",
		"discount_total":3,"freight_amount":"10","tax_amount_minor":50,"payable_amount":"125.51","created_at":"2026-03-01T09:29:59+08:00",
		"items":[{"item_id":"sku-1","spu_id":"p-1","item_name":"明前龙井","item_brand":"狮峰","item_category":"tea","item_category2":"green","item_category3":"longjing",
		"price":"59.00","list_price":"64.00","discount_minor":500,"quantity":2,"is_gift":false},{"item_id":"sku-2","is_gift":true}],"member_tier":"gold"}`
	if r := NewDecoder(v).Decode(OrdersTopic, &Record{Offset: 43, Timestamp: 1772328700000, Value: []byte(value)}, b); r != ReasonNone {
		t.Fatalf("%s %s: %s", r, b.Letters.Field.At(0), b.Letters.Detail.At(0))
	}
	want := map[string]string{
		"kafka_topic": "ecom.orders.v1", "kafka_offset": "43", "tenant": "default", "event_id": "e-9", "source": "/oms", "event_type": "order.created",
		"event_time": "2026-03-01T01:30:00.000Z", "received_at": "2026-03-01T01:31:40.000Z", "order_id": "o-1", "order_hash": hash64("default", "o-1"),
		"order_version": "3", "status_rank": "10", "visitor_id": visitor("u:", "u-1"), "user_hash": hash64("default", "u-1"), "user_id": "u-1",
		"platform": "other", "device_class": "other", "order_type": "normal", "fulfillment_type": "pickup", "ship_region": "other", "currency": "CNY",
		"goods_minor": "11800", "discount_minor": "300", "freight_minor": "1000", "tax_minor": "50", "payable_minor": "12551",
		"created_at": "2026-03-01T01:29:59.000Z", "item_count": "2", "units": "3", "extra": `{"member_tier":"gold"}`,
	}
	if diff := cmp.Diff(row(b.Orders, 0), want); diff != "" {
		t.Errorf("order (-got +want):\n%s", diff)
	}
	if b.Orders.HasAnon[0] != 2 {
		t.Errorf("visitor comes from %d, want 2 (user)", b.Orders.HasAnon[0])
	}
	lines := []map[string]string{row(b.Items, 0), row(b.Items, 1)}
	common := map[string]string{
		"kafka_topic": "ecom.orders.v1", "kafka_offset": "43", "tenant": "default", "event_time": "2026-03-01T01:30:00.000Z", "order_id": "o-1",
		"order_hash": hash64("default", "o-1"), "order_version": "3", "currency": "CNY",
	}
	wantLines := []map[string]string{
		{
			"item_id": "sku-1", "spu_id": "p-1", "item_name": "明前龙井", "item_brand": "狮峰", "category_l1": "tea", "category_l2": "green", "category_l3": "longjing",
			"quantity": "2", "price_minor": "5900", "list_price_minor": "6400", "discount_minor": "500", "amount_minor": "11800",
		},
		{"line": "1", "item_id": "sku-2", "quantity": "1", "is_gift": "1"},
	}
	for _, l := range wantLines {
		for k, x := range common {
			l[k] = x
		}
	}
	if diff := cmp.Diff(lines, wantLines); diff != "" {
		t.Errorf("lines (-got +want):\n%s", diff)
	}
}

// The payable identity: one minor unit is rounding, two are a mismatch, and an
// event without goods says nothing about it.
func TestPayableMismatch(t *testing.T) {
	v := testVocabulary(t)
	for amounts, want := range map[string]uint8{
		`"goods_amount":"10.00","freight_amount":"2.00","payable_amount":"12.00"`:                         0,
		`"goods_amount":"10.00","freight_amount":"2.00","payable_amount":"12.01"`:                         0,
		`"goods_amount":"10.00","freight_amount":"2.00","payable_amount":"11.99"`:                         0,
		`"goods_amount":"10.00","freight_amount":"2.00","payable_amount":"12.02"`:                         1,
		`"goods_amount_minor":1000,"discount_total":"1","payable_amount_minor":1000`:                      1,
		`"goods_amount":"10","discount_total":"1","tax_amount":"0.5","payable_amount":"9.5"`:              0,
		`"freight_amount":"2.00","payable_amount":"12.00"`:                                                0,
		`"goods_amount":null,"payable_amount":"12.00"`:                                                    0,
		`"goods_amount":"1","discount_total":"2","payable_amount":"0"`:                                    1,
		`"goods_amount":"9999999.99","freight_amount":"9999999.99","payable_amount":"0","tax_amount":"1"`: 1,
	} {
		b := NewBatch(v)
		value := `{"id":"e","source":"s","type":"order.updated","time":"2026-03-01T01:30:00Z","order_id":"o","order_version":1,"currency":"CNY",` + amounts + `}`
		if r := NewDecoder(v).Decode(OrdersTopic, &Record{Value: []byte(value), Timestamp: arrival}, b); r != ReasonNone {
			t.Fatalf("%s: %s %s", amounts, r, b.Letters.Detail.At(0))
		}
		if got := b.Orders.PayableMismatch[0]; got != want {
			t.Errorf("%s: mismatch %d, want %d", amounts, got, want)
		}
	}
}

// By whom an order is linked: browser, else user, else the order itself.
func TestOrderVisitor(t *testing.T) {
	v := testVocabulary(t)
	for who, want := range map[string]string{
		`,"anonymous_id":"a","user_id":"u"`: "1 " + visitor("", "a"),
		`,"anonymous_id":"","user_id":"u"`:  "2 " + visitor("u:", "u"),
		`,"anonymous_id":null,"user_id":""`: "0 " + visitor("o:", "o"),
	} {
		b := NewBatch(v)
		value := `{"id":"e","source":"s","type":"order.updated","time":"2026-03-01T01:30:00Z","order_id":"o","order_version":1` + who + `}`
		NewDecoder(v).Decode(OrdersTopic, &Record{Value: []byte(value), Timestamp: arrival}, b)
		if got := fmt.Sprintf("%d %x", b.Orders.HasAnon[0], b.Orders.Visitor[0][:4]); got != want {
			t.Errorf("%s: got %s, want %s", who, got, want)
		}
	}
}

func TestTenants(t *testing.T) {
	vocabulary := func(ids ...string) *Vocabulary {
		var tenants []Tenant
		for _, id := range ids {
			tenants = append(tenants, Tenant{ID: id, Location: time.UTC, Currency: "CNY"})
		}
		v, err := NewVocabulary([NumTopics]string{"c", "o"}, tenants, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	judged := func(v *Vocabulary, tenant, want string) {
		t.Helper()
		b := NewBatch(v)
		value := strings.Replace(smallEvent, `{`, `{`+tenant, 1)
		got := NewDecoder(v).Decode(Clickstream, &Record{Value: []byte(value), Timestamp: arrival}, b).String()
		if got == "none" {
			got = v.TenantNames[b.Events.Tenant.Index[0]]
		}
		if got != want {
			t.Errorf("%v %s: got %s, want %s", v.TenantNames, tenant, got, want)
		}
	}
	judged(vocabulary("tea"), ``, "tea")
	judged(vocabulary("tea"), `"tenantid":"tea",`, "tea")
	judged(vocabulary("tea"), `"tenantid":"default",`, "unknown_tenant")
	judged(vocabulary("tea", "default"), ``, "default")
	judged(vocabulary("tea", "default"), `"tenantid":"tea",`, "tea")
	judged(vocabulary("tea", "cups"), ``, "unknown_tenant")
	judged(vocabulary("tea", "cups"), `"tenantid":"cups",`, "cups")
}

// What never becomes a row: tombstones are counted, records of another mode
// and of 10 MB are set aside at the cost of a look.
func TestRecordsOfAnotherKind(t *testing.T) {
	v := testVocabulary(t)
	d, b := NewDecoder(v), NewBatch(v)
	for range 2 {
		d.Decode(OrdersTopic, &Record{Key: []byte("k")}, b)
	}
	d.Decode(OrdersTopic, &Record{Value: []byte{}}, b)
	if b.Tombstones != [NumTopics]int64{0, 3} {
		t.Errorf("tombstones %v", b.Tombstones)
	}

	huge := []byte(strings.Replace(smallEvent, `"/cn/"`, `"`+strings.Repeat("x", 10<<20)+`"`, 1))
	if r := d.Decode(Clickstream, &Record{Offset: 5, Key: []byte("k"), Timestamp: 1772328700000, Value: huge}, b); r != ReasonTooLarge {
		t.Fatal(r)
	}
	got := row(b.Letters, 0)
	if len(got["record_value"]) != 64<<10 {
		t.Errorf("%d bytes kept", len(got["record_value"]))
	}
	delete(got, "record_value")
	want := map[string]string{
		"kafka_offset": "5", "reason": "too_large", "record_key": "k", "received_at": "2026-03-01T01:31:40.000Z", "business_date": "20513",
		"value_bytes": fmt.Sprint(len(huge)), "detail": fmt.Sprintf("the record has %d bytes; want at most 262144", len(huge)),
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}

	header := func(pairs ...string) []byte {
		h := []byte{byte(len(pairs))} // zigzag of half of it
		for _, p := range pairs {
			h = append(append(h, byte(2*len(p))), p...)
		}
		return h
	}
	for name, c := range map[string]struct {
		headers []byte
		want    string
	}{
		"none":        {[]byte{0}, "none"},
		"plain":       {header("traceparent", "00-1", "content-type", "application/json"), "none"},
		"null header": {[]byte{2, 2, 'a', 1}, "none"},
		"structured":  {header("Content-Type", "application/cloudevents+json; charset=utf-8"), "unsupported_mode headers.content-type"},
		"binary":      {header("traceparent", "00-1", "ce_id", "1"), "unsupported_mode headers.ce_id"},
		"cut off":     {header("content-type", "application/json")[:9], "bad_value headers"},
		"too many":    {[]byte{200, 1, 2, 'a', 2, 'b'}, "bad_value headers"},
		"huge length": {[]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "bad_value headers"},
	} {
		b.Reset()
		got := d.Decode(Clickstream, &Record{Value: []byte(smallEvent), Timestamp: arrival, Headers: c.headers}, b).String()
		if got != "none" {
			got += " " + string(b.Letters.Field.At(0))
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// Configured types are activity without a stage.
func TestConfiguredType(t *testing.T) {
	v := testVocabulary(t)
	b := NewBatch(v)
	for _, name := range []string{"share", "ecom.click.claim.displayed.v1"} {
		if r := NewDecoder(v).Decode(Clickstream, &Record{Value: []byte(strings.Replace(smallEvent, "page_view", name, 1)), Timestamp: arrival}, b); r != ReasonNone {
			t.Fatal(name, r, string(b.Letters.Detail.At(0)))
		}
	}
	if got := fmt.Sprint(v.Types[b.Events.Type.Index[0]], v.Types[b.Events.Type.Index[1]], b.Events.Kind); got != fmt.Sprint("share", "claim.displayed", Fixed[uint8]{1, 1}) {
		t.Error(got)
	}
}

// A detail says what would be right.
func TestDetails(t *testing.T) {
	v := testVocabulary(t)
	for change, want := range map[string]string{
		`"platform":"fridge"`: `platform: "fridge"; want one of web_pc, h5, app_ios, app_android, mini_program, other`,
		`"platform":7`:        `platform: is a number; want a string`,
		`"platform":null`:     `platform: is required on every clickstream event`,
	} {
		got := Explain(v, Clickstream, []byte(strings.Replace(smallEvent, `"platform":"h5"`, change, 1)))
		if got == nil || got.Field+": "+got.Detail != want {
			t.Errorf("%s: got %+v, want %s", change, got, want)
		}
	}
	if got := Explain(v, Clickstream, []byte(smallEvent)); got != nil {
		t.Errorf("%+v", got)
	}
	if got := Explain(v, OrdersTopic, nil); got == nil || got.Reason != ReasonBadJSON {
		t.Errorf("%+v", got)
	}
}
