package imports

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/gen"
)

func TestValidateNamesLineReasonAndField(t *testing.T) {
	const head = `{"id":"1","source":"/t","time":"2026-03-01T09:30:00Z","anonymous_id":"a",`
	path := file(t, "events.jsonl", head+`"type":"page_view","page_type":"home","platform":"h5"}`+"\n"+
		head+`"type":"page_view","page_type":"home","platform":"h5","phone":"13800138000"}`+"\n\n"+
		`{"id":`+"\n"+
		`{"id":"2","source":"/oms","time":"2026-03-01T09:30:00Z","type":"order.paid","order_id":"o","order_version":2,"paid_amount":"1.234","currency":"CNY","payment_method":"card","paid_at":"2026-03-01T09:30:00Z"}`)
	var out bytes.Buffer
	v, err := Validate(path, vocabulary(t), &out, 0)
	if err != nil {
		t.Fatal(err)
	}
	if v.Lines != 4 || v.Accepted != 1 || v.Refused != 3 {
		t.Errorf("%+v: want 4 events, 1 accepted", v)
	}
	if d := cmp.Diff(v.Types, map[string]int64{"page_view": 1}); d != "" {
		t.Errorf("accepted (-got +want):\n%s", d)
	}
	if d := cmp.Diff(v.Reasons, map[string]int64{"pii": 1, "bad_json": 1, "bad_money": 1}); d != "" {
		t.Errorf("refused (-got +want):\n%s", d)
	}
	for _, want := range []string{"line 2: pii phone: ", "line 4: bad_json (event): ", "line 5: bad_money paid_amount: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestValidateAgreesWithTheGenerator(t *testing.T) {
	g := gen.New(gen.Settings{
		Seed: 5, Start: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Rate: 200, MaxEvents: 20_000,
		Defects: gen.Defects{Broken: 0.02, Late: 0.01, Future: 0.01},
	})
	var in bytes.Buffer
	for e := (gen.Event{}); g.Next(&e); {
		in.Write(append(e.Value, '\n'))
	}
	var out bytes.Buffer
	v, err := validate(&in, vocabulary(t), &out, 10)
	if err != nil {
		t.Fatal(err)
	}
	if s := g.Stats(); v.Accepted != s.Good() || v.Refused != s.BrokenTotal() {
		t.Errorf("%d accepted and %d refused, generated %d good and %d broken", v.Accepted, v.Refused, s.Good(), s.BrokenTotal())
	}
	if n := strings.Count(out.String(), "\n"); n != 10 {
		t.Errorf("%d lines printed, want the 10 asked for", n)
	}
}
