package schemas

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"
)

func testVocabulary(t testing.TB) *Vocabulary {
	t.Helper()
	v, err := NewVocabulary([NumTopics]string{"ecom.clickstream.v1", "ecom.orders.v1"},
		[]Tenant{{ID: "default", Location: time.UTC, Currency: "CNY", Domains: []string{"shop.example"}}}, []string{"share", "claim.displayed"}, []string{"tea"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// arrival is the Kafka timestamp of records whose own does not matter.
const arrival = 1772328603000

// smallEvent has 14 fields and 315 bytes, the shape of most traffic.
const smallEvent = `{"id":"0193f5c2-8a41-7d03-9f3e-0c1f6d5b7a21","source":"/tracker/web","type":"page_view","time":"2026-03-01T09:30:00.123+08:00","anonymous_id":"a-5f3c9b1e77d2481","user_id":"u-77d2","platform":"h5","page_type":"home","page_url":"/cn/","referrer":"","region":"CN-GD","consent":"granted","sequence":42,"is_test":false}`

// richEvent has items and campaign fields, about 800 bytes.
const richEvent = `{"id":"0193f5c2-8a41-7d03-9f3e-0c1f6d5b7a22","source":"/tracker/app","type":"ecom.click.add_to_cart.v1","specversion":"1.0","time":"2026-03-01T09:30:00.123+08:00","senttime":"2026-03-01T09:30:02.5+08:00","receivedtime":"2026-03-01T01:30:03Z","anonymous_id":"a-5f3c9b1e77d24810","platform":"app_android","page_type":"product_detail","page_url":"https://shop.example/item/10086","referrer":"https://www.baidu.com/s?wd=tea","user_agent":"Mozilla/5.0 (Linux; Android 14; V2324A) AppleWebKit/537.36","currency":"CNY","value":"128.00","items":[{"item_id":"sku-10086","item_name":"明前龙井 250g","item_brand":"狮峰","item_category":"tea","price":"64.00","quantity":2},{"item_id":"sku-10087","item_category":"tea","price":9.9,"quantity":1}],"app_version":"8.12.0","os":"Android 14","is_test":false,"sequence":422}`

// plainEvent is what the standard library decodes the same bytes into, as a
// yardstick for the machine: its result is neither checked nor columnar.
type plainEvent struct {
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Time        time.Time `json:"time"`
	AnonymousID string    `json:"anonymous_id"`
	UserID      string    `json:"user_id"`
	Platform    string    `json:"platform"`
	PageType    string    `json:"page_type"`
	PageURL     string    `json:"page_url"`
	Referrer    string    `json:"referrer"`
	Region      string    `json:"region"`
	Consent     string    `json:"consent"`
	Sequence    uint64    `json:"sequence"`
	IsTest      bool      `json:"is_test"`
	Currency    string    `json:"currency"`
	Value       string    `json:"value"`
	Items       []struct {
		ItemID   string      `json:"item_id"`
		Name     string      `json:"item_name"`
		Category string      `json:"item_category"`
		Price    json.Number `json:"price"`
		Quantity int         `json:"quantity"`
	} `json:"items"`
}

func BenchmarkDecode(b *testing.B) {
	v := testVocabulary(b)
	for _, c := range []struct{ name, event string }{{"page_view_315B", smallEvent}, {"add_to_cart_800B", richEvent}} {
		b.Run(c.name, func(b *testing.B) {
			d, batch := NewDecoder(v), NewBatch(v)
			r := &Record{Value: []byte(c.event), Timestamp: arrival}
			if reason := d.Decode(Clickstream, r, batch); reason != ReasonNone {
				b.Fatal(reason, string(batch.Letters.Field.At(0)), string(batch.Letters.Detail.At(0)))
			}
			const epoch = 4096 // rows between two resets; the first epoch grows the columns
			for range epoch {
				d.Decode(Clickstream, r, batch)
			}
			batch.Reset()
			b.SetBytes(int64(len(c.event)))
			b.ReportAllocs()
			for i := 1; b.Loop(); i++ {
				d.Decode(Clickstream, r, batch)
				if i%epoch == 0 {
					batch.Reset()
				}
			}
		})
		b.Run(c.name+"/encoding_json", func(b *testing.B) {
			b.SetBytes(int64(len(c.event)))
			b.ReportAllocs()
			for b.Loop() {
				var e plainEvent
				if err := json.Unmarshal([]byte(c.event), &e); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/encoding_json_valid", func(b *testing.B) {
			b.SetBytes(int64(len(c.event)))
			for b.Loop() {
				json.Valid([]byte(c.event))
			}
		})
	}
}

// Decoding allocates nothing once the buffers have grown: neither for events
// nor for letters, whatever is wrong with them.
func TestDecodeAllocations(t *testing.T) {
	v := testVocabulary(t)
	d, batch := NewDecoder(v), NewBatch(v)
	var records [NumTopics][]*Record
	for topic, file := range []string{"clickstream.json", "orders.json"} {
		samples, err := readSamples(filepath.Join("testdata/events", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			records[topic] = append(records[topic], &Record{Value: s.bytes(), Timestamp: arrival})
		}
	}
	records[0] = append(records[0], &Record{Value: []byte(smallEvent), Timestamp: arrival}, &Record{Value: []byte(richEvent), Timestamp: arrival},
		&Record{Value: []byte(smallEvent), Timestamp: arrival, Headers: []byte("\x02\x08ce_x\x00")}, &Record{Value: make([]byte, maxRecord+1)})
	for topic, list := range records {
		for _, r := range list {
			one := func() { d.Decode(Topic(topic), r, batch) }
			for range 40 {
				one() // grows the columns
			}
			batch.Reset()
			allowed := 0.0
			if bytes.Count(r.Value, []byte("[")) > maxDepth {
				allowed = 8 // json.Valid has a pool, which drops at random under the race detector
			}
			if n := testing.AllocsPerRun(30, one); n > allowed {
				t.Errorf("%v allocations for %.200s", n, r.Value)
			}
			batch.Reset()
		}
	}
}
