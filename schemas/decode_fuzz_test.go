package schemas

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzDecode: whatever the bytes are, exactly one row is appended (or a
// tombstone counted), no column is longer than another, what is no JSON is
// never accepted, and what a decoder read before does not matter.
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
			f.Add(s.bytes(), []byte(nil))
		}
	}
	f.Add([]byte(smallEvent), []byte("\x02\x18content-type\x1eapplication/json"))
	f.Add([]byte("{\"a\":\"\xff\"}"), []byte{2})
	v := testVocabulary(f)
	j := newJudge(v)
	f.Fuzz(func(t *testing.T, value, headers []byte) {
		for _, topic := range []Topic{Clickstream, OrdersTopic} {
			j.check(t, topic, &Record{Value: value, Headers: headers, Timestamp: arrival})
		}
	})
}

// TestBrokenSamples cuts and spoils every sample at many places: the same
// promises hold as for the fuzzer.
func TestBrokenSamples(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	v := testVocabulary(t)
	j := newJudge(v)
	for topic, file := range []string{"clickstream.json", "orders.json"} {
		samples, err := readSamples(filepath.Join("testdata/events", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			value := s.bytes()
			if len(value) > 2000 {
				continue
			}
			for i := 0; i < len(value); i += 1 + rnd.IntN(4) {
				j.check(t, Topic(topic), &Record{Value: value[:i], Timestamp: arrival})
				const spoilers = "\"\\{}[],:0-9.eEntu \x00\xff\xe8"
				c := spoilers[rnd.IntN(len(spoilers))]
				changed := append(slices.Clone(value[:i]), c)
				j.check(t, Topic(topic), &Record{Value: append(changed, value[i+1:]...), Timestamp: arrival})
				changed = append(slices.Clone(value[:i]), c)
				j.check(t, Topic(topic), &Record{Value: append(changed, value[i:]...), Timestamp: arrival})
			}
		}
	}
}

// TestADecoderHasNoPast mixes both topics, fields of the other topic, personal
// data and broken records: what a decoder has read before changes no column of
// what it reads next.
func TestADecoderHasNoPast(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	v := testVocabulary(t)
	j := newJudge(v)
	for range 4000 {
		topic := Topic(r.IntN(int(NumTopics)))
		j.check(t, topic, &Record{Value: mixedEvent(r, topic), Timestamp: arrival})
	}
}

// mixedEvent is an event in which some fields are another topic's, unknown,
// denied or hidden; often it is broken.
func mixedEvent(r *rand.Rand, topic Topic) []byte {
	fields := []string{
		`"id":"e"`, `"source":"s"`, `"time":"2026-03-01T01:30:00Z"`, `"currency":"CNY"`, `"order_id":"o"`, `"anonymous_id":"a"`, `"platform":"h5"`,
		[NumTopics]string{`"type":"page_view"`, `"type":"order.updated"`}[topic],
	}
	strange := []string{
		`"payment_method":"card"`, `"amount":"1.50"`, `"order_version":3`, `"page_type":"home"`, `"region":"CN-ZJ"`, `"value":1`, `"query":"q"`, `"reason":"late"`,
		`"client_ip":"192.0.2.7"`, `"ip":"192.0.2.7"`, `"device":{"os":"x","ip":"192.0.2.7"}`, `"items":[{"item_id":"i","ip":"192.0.2.7","price":1}]`,
		`"coupon":{"a":[1]}`, `"user_agent":"bot"`, `"click_id":"gclid:1"`, `"is_test":true`,
	}
	for range r.IntN(6) {
		fields = append(fields, strange[r.IntN(len(strange))])
	}
	if topic == OrdersTopic {
		fields = append(fields, `"order_version":1`)
	} else {
		fields = append(fields, `"page_type":"home"`)
	}
	if r.IntN(4) == 0 {
		fields = append(fields, []string{`"phone":"13812345678"`, `"owner":{"email":"a@b"}`, `"phone":null`}[r.IntN(3)])
	}
	if r.IntN(3) > 0 { // producers have their own order, but keep it
		r.Shuffle(len(fields), func(i, k int) { fields[i], fields[k] = fields[k], fields[i] })
	}
	value := []byte("{" + strings.Join(fields, ",") + "}")
	if r.IntN(10) == 0 {
		value = value[:r.IntN(len(value))]
	}
	return value
}

// judge decodes and checks what must hold for any bytes. Its decoder grows old;
// every record goes to a new one, too.
type judge struct {
	v         *Vocabulary
	d, unused *Decoder
	b, other  *Batch
}

func newJudge(v *Vocabulary) *judge {
	return &judge{v, NewDecoder(v), NewDecoder(v), NewBatch(v), NewBatch(v)}
}

// checkHistory compares what the batch has of the record with what a decoder
// without a past makes of it.
func (j *judge) checkHistory(t *testing.T, topic Topic, r *Record) {
	t.Helper()
	j.other.Reset()
	d := *j.unused // tables alone: nothing that a decoder writes to is in it yet
	d.Decode(topic, r, j.other)
	if j.content(j.b) != j.content(j.other) {
		t.Fatalf("%s, %q: a decoder with a past (-) and a new one (+):\n%s", topic, r.Value,
			cmp.Diff(j.b, j.other, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Dict{}, "Names")))
	}
}

// content is all that stands in the batch's columns.
func (j *judge) content(b *Batch) string {
	s := fmt.Appendln(nil, b.Tombstones)
	for _, columns := range [][]Column{b.Events.Columns(), b.Events.side(), b.Orders.Columns(), b.Orders.side(), b.Items.Columns(), b.Letters.Columns()} {
		for _, c := range columns {
			switch c := c.(type) {
			case *Strings:
				s = append(append(s, raw(c.Offsets[min(1, len(c.Offsets)):])...), c.Data...)
			case *Dict:
				s = append(s, c.Index...)
			case *Fixed[uint8]:
				s = append(s, *c...)
			case *Fixed[uint16]:
				s = append(s, raw(*c)...)
			case *Fixed[uint32]:
				s = append(s, raw(*c)...)
			case *Fixed[uint64]:
				s = append(s, raw(*c)...)
			case *Fixed[int64]:
				s = append(s, raw(*c)...)
			case *Fixed[ID]:
				s = append(s, raw(*c)...)
			case *NullTimes:
				s = append(s, raw(*c)...)
			default:
				panic(fmt.Sprintf("BUG: nobody compares columns of type %T", c))
			}
		}
	}
	return string(s)
}

func (j *judge) check(t *testing.T, topic Topic, r *Record) {
	t.Helper()
	b := j.b
	b.Reset()
	reason := j.d.Decode(topic, r, b)
	checkOneRow(t, topic, r.Value, reason, b)
	j.checkHistory(t, topic, r)
	lettered := b.Letters.Rows() == 1
	if lettered && b.Letters.Detail.Len() == 0 {
		t.Fatalf("%q: letter %s without a detail", r.Value, reason)
	}
	if reason == ReasonTooLarge || reason == ReasonUnsupportedMode || len(r.Value) == 0 || lettered && string(b.Letters.Field.At(0)) == "headers" {
		return
	}
	if valid := json.Valid(r.Value) && utf8.Valid(r.Value); valid == (reason == ReasonBadJSON) {
		t.Fatalf("%q: valid JSON: %v, reason %s: %s", r.Value, valid, reason, b.Letters.Detail.At(0))
	}
	for _, column := range []*Strings{&b.Events.Items, &b.Events.Extra, &b.Orders.Extra} {
		for i := range column.Len() {
			if s := column.At(i); len(s) > 0 && !json.Valid(s) {
				t.Fatalf("%q: stored JSON is broken: %q", r.Value, s)
			}
		}
	}
	if lettered && reason != ReasonBadJSON && !json.Valid(b.Letters.Value.At(0)) && len(r.Value) < maxKept/2 {
		t.Fatalf("%q: the letter is no JSON any more: %q", r.Value, b.Letters.Value.At(0))
	}
	// A second decoding judges the same: nothing is remembered that matters.
	if again := j.d.Decode(topic, r, b); again != reason {
		t.Fatalf("%q: %s, then %s", r.Value, reason, again)
	}
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
		if _, exp, _ := strings.Cut(strings.ToLower(text), "e"); len(exp) > 4 {
			return // the reference would build huge numbers
		}
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

func (s *sample) bytes() []byte {
	if s.Original != "" {
		return []byte(s.Original)
	}
	return s.Event
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
