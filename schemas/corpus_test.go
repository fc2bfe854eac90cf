package schemas

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T, v *Vocabulary, topic Topic) *jsonschema.Schema {
	t.Helper()
	raw, err := Schema(v, topic)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem://events", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem://events")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every sample of the corpus is judged as it says, by the decoder and, unless
// the sample says why that is impossible, by the JSON Schema.
func TestCorpus(t *testing.T) {
	v := testVocabulary(t)
	for topic, file := range []string{"clickstream.json", "orders.json"} {
		schema := compileSchema(t, v, Topic(topic))
		samples, err := readSamples(filepath.Join("testdata/events", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			t.Run(s.Topic+"/"+s.Name, func(t *testing.T) {
				value := s.bytes()
				var got, want *Rejection
				if got = Explain(v, Topic(topic), value); got != nil {
					if got.Detail == "" {
						t.Error("rejected without a detail")
					}
					got = &Rejection{Reason: got.Reason, Field: got.Field}
				}
				if s.Reason != "" {
					want = &Rejection{Reason: Reason(slices.Index(ReasonNames, s.Reason)), Field: s.Field}
				}
				if diff := cmp.Diff(got, want); diff != "" {
					t.Errorf("decoder (-got +want):\n%s%+v", diff, Explain(v, Topic(topic), value))
				}
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
				if err != nil {
					if s.Reason != "bad_json" {
						t.Errorf("reason %q for what is no JSON: %v", s.Reason, err)
					}
					return
				}
				err = schema.Validate(doc)
				if accepted, wanted := err == nil, s.Reason == "" || s.Unseen != ""; accepted != wanted {
					t.Errorf("schema accepts: %v, want %v: %v", accepted, wanted, err)
				}
			})
		}
	}
}

// The files are written by hand; what they repeat of the closed lists must be
// the lists.
func TestSchemaRepeatsTheLists(t *testing.T) {
	type def struct {
		Enum []string
	}
	for _, topic := range []Topic{Clickstream, OrdersTopic} {
		raw, err := Schema(nil, topic)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Properties struct {
				Platform struct{ Enum []string }
			}
			PatternProperties map[string]any
			Defs              struct{ Currency, Type def } `json:"$defs"`
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(doc.Defs.Currency.Enum, CurrencyNames()[1:]); diff != "" {
			t.Errorf("currencies (-got +want):\n%s", diff)
		}
		if topic == Clickstream {
			if diff := cmp.Diff(doc.Properties.Platform.Enum, PlatformNames[1:]); diff != "" {
				t.Errorf("platforms (-got +want):\n%s", diff)
			}
		}
		var types []string
		for k := KindPageView; k < NumKinds; k++ {
			if k.Topic() == topic {
				types = append(types, k.String(), longType(k.String(), topic))
			}
		}
		if diff := cmp.Diff(doc.Defs.Type.Enum, types); diff != "" {
			t.Errorf("types (-got +want):\n%s", diff)
		}
		if _, ok := doc.PatternProperties["^("+strings.Join(deniedNames, "|")+")$"]; !ok {
			t.Error("the pattern of denied names is not the deny list")
		}
		compileSchema(t, nil, topic)
	}
}

// A record of the corpus in which every string is written with escapes is
// judged the same.
func TestCorpusEscaped(t *testing.T) {
	v := testVocabulary(t)
	files, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples: ", err)
	}
	for topic, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var list []sample
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if len(s.Event) == 0 {
				continue
			}
			got, want := Explain(v, Topic(topic), escapeAll(s.Event)), Explain(v, Topic(topic), s.Event)
			if (got == nil) != (want == nil) || got != nil && (got.Reason != want.Reason || got.Field != want.Field) {
				t.Errorf("%s: got %+v, want %+v", s.Name, got, want)
			}
		}
	}
}

// escapeAll writes every ASCII character inside strings as \u00XX and puts
// whitespace between tokens.
func escapeAll(b []byte) []byte {
	var out []byte
	inside := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			inside = !inside
			out = append(out, c)
		case !inside:
			out = append(out, c)
			if strings.IndexByte("{}[],:", c) >= 0 {
				out = append(out, " \n\t"...)
			}
		case c == '\\':
			n := 2
			if b[i+1] == 'u' {
				n = 6
			}
			out = append(out, b[i:i+n]...)
			i += n - 1
		case c < 0x80:
			const digits = "0123456789aBcDeF"
			out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			out = append(out, c)
		}
	}
	return out
}
