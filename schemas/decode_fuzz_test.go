package schemas

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDecode: whatever the bytes are, exactly one row is appended (or a
// tombstone counted), no column is longer than another, and what is no JSON is
// never accepted.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no samples in testdata/events: ", err)
	}
	for _, name := range files {
		samples, err := readSamples(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range samples {
			f.Add([]byte(s.Event), []byte(nil))
		}
	}
	f.Add([]byte(smallEvent), []byte("\x02\x18content-type\x1eapplication/json"))
	f.Add([]byte("{\"a\":\"\xff\"}"), []byte{2})
	v := testVocabulary(f)
	d := NewDecoder(v)
	f.Fuzz(func(t *testing.T, value, headers []byte) {
		for _, topic := range []Topic{Clickstream, OrdersTopic} {
			b := NewBatch(v)
			reason := d.Decode(topic, &Record{Value: value, Headers: headers, Timestamp: 1772328603000}, b)
			checkOneRow(t, topic, value, reason, b)
			if reason == ReasonTooLarge || reason == ReasonUnsupportedMode || len(value) == 0 || (len(b.Letters.Offset) == 1 && string(b.Letters.Field.At(0)) == "headers") {
				continue
			}
			if valid := json.Valid(value) && utf8.Valid(value); valid == (reason == ReasonBadJSON) {
				t.Fatalf("valid JSON: %v, reason %s: %s", valid, reason, b.Letters.Detail.At(0))
			}
			if len(b.Letters.Offset) == 1 && len(b.Letters.Detail.At(0)) == 0 {
				t.Fatalf("letter %s without a detail", reason)
			}
			for _, column := range []*Strings{&b.Events.Items, &b.Events.Extra, &b.Orders.Extra} {
				for i := range column.Len() {
					if s := column.At(i); len(s) > 0 && !json.Valid(s) {
						t.Fatalf("stored JSON is broken: %q", s)
					}
				}
			}
			// A second decoding gives the same row: nothing is remembered that matters.
			again := NewBatch(v)
			if r := d.Decode(topic, &Record{Value: value, Headers: headers, Timestamp: 1772328603000}, again); r != reason {
				t.Fatalf("%s, then %s", reason, r)
			}
		}
	})
}

func checkOneRow(t *testing.T, topic Topic, value []byte, reason Reason, b *Batch) {
	t.Helper()
	rows := len(b.Events.Offset) + len(b.Orders.Offset) + len(b.Letters.Offset) + int(b.Tombstones[topic])
	if rows != 1 {
		t.Fatalf("%d rows appended, want 1", rows)
	}
	if (reason == ReasonNone) == (len(b.Letters.Offset) == 1) {
		t.Fatalf("reason %s with %d letters", reason, len(b.Letters.Offset))
	}
	if len(value) > 0 && reason == ReasonNone && len(b.Events.Offset) != 1-int(topic) {
		t.Fatalf("%d rows of the clickstream on topic %s", len(b.Events.Offset), topic)
	}
	check := func(rows int, groups ...[]Column) {
		for _, cols := range groups {
			for i, c := range cols {
				if c.Len() != rows {
					t.Fatalf("column %d has %d rows, want %d", i, c.Len(), rows)
				}
			}
		}
	}
	check(b.Events.Rows(), b.Events.Columns(), b.Events.side())
	check(b.Orders.Rows(), b.Orders.Columns(), b.Orders.side())
	check(b.Items.Rows(), b.Items.Columns())
	check(b.Letters.Rows(), b.Letters.Columns())
	if n := b.Items.Rows(); len(b.Orders.Offset) == 1 && n != int(b.Orders.ItemCount[0]) || len(b.Orders.Offset) == 0 && n != 0 {
		t.Fatalf("%d lines", n)
	}
}

// FuzzMoney compares the shifting of digits with exact fractions.
func FuzzMoney(f *testing.F) {
	for _, s := range []string{"0", "0.1", "1.500", "1.505", "9999999.99", "9999999.991", "1e3", "1E-2", "12e-1", "-0", "-1", "00", "1.", ".5", "100000000000000000000", "1e-400", "0e99999999999999999999", "10000e-4", "0.00000000000000000000000000001", "123456789012345678", "1.0e1"} {
		for e := range uint8(4) {
			f.Add(s, e)
		}
	}
	f.Fuzz(func(t *testing.T, text string, exponent uint8) {
		exponent %= 4
		got, fault := parseMoney([]byte(text), exponent)
		number := json.Valid([]byte(text)) && strings.Trim(text, " \t\r\n") == text && strings.ContainsAny(text[:1], "-0123456789")
		if !number {
			if fault == faultNone {
				t.Fatalf("%q is no number and was read as %d", text, got)
			}
			return
		}
		mantissa, exp, _ := strings.Cut(strings.ToLower(text), "e")
		if len(exp) > 4 {
			return // the reference would build huge numbers
		}
		_ = mantissa
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("reference cannot read %q", text)
		}
		r.Mul(r, new(big.Rat).SetInt64(int64(pow10[exponent])))
		want := r.IsInt() && r.Sign() >= 0 && r.Num().Cmp(big.NewInt(maxMinor(exponent))) <= 0
		if want != (fault == faultNone) || want && r.Num().Int64() != got {
			t.Fatalf("%q with %d decimals: got %d (fault %d), want %s", text, exponent, got, fault, r.RatString())
		}
	})
}

// readSamples reads a corpus file.
func readSamples(name string) ([]sample, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var list []sample
	return list, json.Unmarshal(raw, &list)
}

// sample is one event of the corpus with what is to become of it.
type sample struct {
	Name     string          `json:"name"`
	Topic    string          `json:"topic"`
	Reason   string          `json:"reason,omitempty"` // absent: accepted
	Field    string          `json:"field,omitempty"`
	Unseen   string          `json:"schema_cannot_see,omitempty"` // why the JSON Schema accepts it all the same
	Event    json.RawMessage `json:"event,omitempty"`
	Original string          `json:"text,omitempty"` // an event that is no JSON
}
