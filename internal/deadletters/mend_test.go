package deadletters

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

func parse(t *testing.T, text string) *Fix {
	t.Helper()
	f, err := parseFix([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMend(t *testing.T) {
	const record = `{"id": "e1", "source":"/oms", "price": 10.50, "big":12345678901234567890, "text":"\u00e9\/\ud83d\ude00", "nothing": null,
		"items":[{"price":"1.10","sku":"a"},{"price":"2.20","sku":"b"}], "device": {"os":"iOS"}}`
	const plain = `{"id":"e1","source":"/oms","price":10.50,"big":12345678901234567890,"text":"\u00e9\/\ud83d\ude00","nothing":null,` +
		`"items":[{"price":"1.10","sku":"a"},{"price":"2.20","sku":"b"}],"device":{"os":"iOS"}}`
	for name, c := range map[string]struct{ fix, from, to string }{
		"set":           {`set: {currency: CNY}`, `"device":{"os":"iOS"}`, `"device":{"os":"iOS"},"currency":"CNY"`},
		"set number":    {`set: {price: 11.00}`, `10.50`, `11.00`},
		"set text":      {`set: {price: "11.00"}`, `10.50`, `"11.00"`},
		"set null":      {`set: {price: null}`, `10.50`, `null`},
		"set deep":      {`set: {device.version: "17"}`, `"os":"iOS"`, `"os":"iOS","version":"17"`},
		"set in null":   {`set: {nothing.at: true}`, `"nothing":null`, `"nothing":{"at":true}`},
		"set all":       {`set: {"items[*].gift": false}`, `"sku":"a"},{"price":"2.20","sku":"b"`, `"sku":"a","gift":false},{"price":"2.20","sku":"b","gift":false`},
		"set one":       {`set: {"items[1].price": "9"}`, `2.20`, `9`},
		"rename":        {`rename: {price: paid_amount}`, `"price":10.50,"big":12345678901234567890,"text":"\u00e9\/\ud83d\ude00","nothing":null,"items":[{"price":"1.10","sku":"a"},{"price":"2.20","sku":"b"}],"device":{"os":"iOS"}`, `"big":12345678901234567890,"text":"\u00e9\/\ud83d\ude00","nothing":null,"items":[{"price":"1.10","sku":"a"},{"price":"2.20","sku":"b"}],"device":{"os":"iOS"},"paid_amount":10.50`},
		"rename absent": {`rename: {absent: paid_amount}`, ``, ``},
		"remove":        {`remove: [device, nothing]`, `"nothing":null,"items":[{"price":"1.10","sku":"a"},{"price":"2.20","sku":"b"}],"device":{"os":"iOS"}`, `"items":[{"price":"1.10","sku":"a"},{"price":"2.20","sku":"b"}]`},
		"remove all":    {`remove: "items[*].price"`, `{"price":"1.10","sku":"a"},{"price":"2.20","sku":"b"}`, `{"sku":"a"},{"sku":"b"}`},
		"remove one":    {`remove: ["items[0]"]`, `{"price":"1.10","sku":"a"},`, ``},
		"map":           {`map: {device.os: {iOS: ios}, price: {"10.50": "10.5"}}`, ``, ``},
		"map other":     {`map: {device.os: {Android: android}}`, ``, ``},
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.Replace(plain, c.from, c.to, 1)
			if name == "map" {
				want = strings.Replace(strings.Replace(plain, `"iOS"`, `"ios"`, 1), `10.50`, `"10.5"`, 1)
			}
			got, _, err := parse(t, "rules:\n- "+c.fix+"\n").mend(subject{}, []byte(record))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(got), want); diff != "" {
				t.Errorf("(-got +want)\n%s", diff)
			}
		})
	}
}

func TestMendMatches(t *testing.T) {
	f := parse(t, `rules:
- match: {reason: [bad_money, bad_value], field: "items[*].price", topic: orders}
  set: {a: 1}
- match: {type: order.paid}
  set: {b: 2}
`)
	for _, c := range []struct {
		s    subject
		want string
	}{
		{subject{"bad_money", "items[3].price", "order.created", schemas.OrdersTopic}, `{"a":1}`},
		{subject{"bad_money", "items[3].price", "order.paid", schemas.OrdersTopic}, `{"a":1,"b":2}`},
		{subject{"bad_money", "items[3].price", "", schemas.Clickstream}, `{ }`},
		{subject{"bad_money", "price", "", schemas.OrdersTopic}, `{ }`},
		{subject{"pii", "items[3].price", "", schemas.OrdersTopic}, `{ }`},
	} {
		got, _, err := f.mend(c.s, []byte(`{ }`))
		if err != nil || string(got) != c.want {
			t.Errorf("%+v: got %s, %v, want %s", c.s, got, err, c.want)
		}
	}
}

func TestMendRefuses(t *testing.T) {
	for fix, record := range map[string]string{
		`set: {source: /x}`:               `{"id":"1","source":"/a"}`,
		`rename: {from: source}`:          `{"id":"1","source":"/a","from":"/b"}`,
		`rename: {a: b}`:                  `{"a":1,"b":2}`,
		`set: {a.b: 1}`:                   `{"a":"text"}`,
		`set: {b: 1}`:                     `{"a":`,
		`set: {c: 1}`:                     "{\"a\":\"\xff\"}",
		`set: {d: 1}`:                     `[1]`,
		`set: {e: 1} # nested too deeply`: `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		if got, _, err := parse(t, "rules:\n- "+fix+"\n").mend(subject{}, []byte(record)); err == nil {
			t.Errorf("%s on %.40s: got %s, want an error", fix, record, got)
		}
	}
	// An absent source may be filled in.
	got, _, err := parse(t, "rules:\n- set: {source: /a}\n").mend(subject{}, []byte(`{"id":"1"}`))
	if err != nil || string(got) != `{"id":"1","source":"/a"}` {
		t.Errorf("an absent source: %s, %v", got, err)
	}
}

func TestParseFixNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"rules:\n- match: {reason: pii}\n  sett: {a: b}\n":        "line 3: unknown key sett",
		"rules:\n- set: {id: x}\n":                                "line 2: id: the id is never changed",
		"rules:\n- rename: {x: id}\n":                             "line 2: id: the id is never changed",
		"rules:\n- map:\n    source: {a: b}\n":                    "line 3: source: the source is half",
		"rules:\n- match: {reason: bad}\n  remove: [a]\n":         "line 2: reason bad is not known",
		"rules:\n- match: {reason: pii}\n":                        "the rule does nothing",
		"rules:\n- set: {a: 0x10}\n":                              "line 2: 0x10 is not a number",
		"rules:\n- set: {a: [1]}\n":                               "line 2: want a string",
		"rules:\n- set: {a: 1, a: 2}\n":                           "",
		"rules:\n- remove: [\"a[\"]\n":                            "line 2: path \"a[\": a bracket is not closed",
		"rule: []\n":                                              "line 1: unknown key rule",
		"":                                                        "want one YAML document",
		"rules:\n- rename: {\"items[*].a\": b}\n":                 "rename takes names",
		"rules:\n- match: {topic: nonsense}\n  set: {a: b}\n":     "topic nonsense is not known",
		"rules:\n- match: {field: \"a..b\"}\n  set: {a: b}\n":     "a name is missing",
		"rules:\n- match: {colour: red}\n  remove: [a]\n- 5\n":    "unknown key colour",
		"rules: {}\n":                                             "want a list",
		"rules:\n- set: {\"items[99999999999999999999].a\": 1}\n": "want a number or *",
	} {
		_, err := parseFix([]byte(text))
		if err == nil {
			t.Errorf("%q: no error", text)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// FuzzFix: no fix file and no record makes the program panic; what comes out is
// JSON with the id that went in.
func FuzzFix(f *testing.F) {
	f.Add("rules:\n- match: {reason: pii}\n  set: {a.b: x}\n  remove: [\"c[*].d\"]\n", `{"id":"1","a":{},"c":[{"d":1}]}`, "items[0].x")
	f.Add("rules:\n- rename: {a: b.c}\n  map: {x: {\"1\": 2}}\n", `{"id":"1","a":[1,{}],"x":1}`, "")
	f.Add("rules:\n- set: {\"a[0]\": null}\n", `{"a":[1]}`, "a")
	f.Fuzz(func(t *testing.T, file, record, field string) {
		fix, err := parseFix([]byte(file))
		if err != nil {
			return
		}
		got, rules, err := fix.mend(subject{Reason: "pii", Field: field}, []byte(record))
		if err != nil {
			return
		}
		if len(rules) == 0 {
			if string(got) != record {
				t.Fatalf("no rule matched, yet %q became %q", record, got)
			}
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%q became %q", record, got)
		}
		if a, b := idOf(t, []byte(record)), idOf(t, got); a != b {
			t.Fatalf("the id %q became %q", a, b)
		}
	})
}

func idOf(t *testing.T, record []byte) string {
	n, err := parseTree(record)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range n.members {
		if m.name == "id" {
			ids = append(ids, string(m.value.write(nil)))
		}
	}
	return strings.Join(ids, ",")
}
