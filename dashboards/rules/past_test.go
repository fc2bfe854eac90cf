package rules

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/dashboards/counted"
	"github.com/storepulse/storepulse/schemas"
)

// TestPastsAreWhatBaselinesRead: every series that a rule or alert reads days or
// weeks back is among the Pasts, and nothing else; and its facts are known, with
// the labels that it needs.
func TestPastsAreWhatBaselinesRead(t *testing.T) {
	var read []string
	back := regexp.MustCompile(`(ecom:[a-z_0-9:]+)(?:\{[^}]*\})?(?:\[[^\]]*\])? offset \d+[wd]|(ecom:[a-z_0-9:]+)(?:\{[^}]*\})?\[\d+d:1d\]`)
	for _, groups := range [][]Group{Recording(), Business(DefaultOptions()), Pipeline(DefaultOptions())} {
		for _, g := range groups {
			for _, r := range g.Rules {
				for _, m := range back.FindAllStringSubmatch(r.Expr, -1) {
					read = append(read, m[1]+m[2])
				}
			}
		}
	}
	slices.Sort(read)
	voc, err := schemas.NewVocabulary([schemas.NumTopics]string{"clicks", "orders"}, []schemas.Tenant{{ID: "t", Location: time.UTC, Currency: "CNY"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	computed := []string{OpenSessions, RunningPromotions, ShopClocks}
	for _, p := range Pasts() {
		for _, w := range p.Windows {
			computed = append(computed, w.Record)
		}
		c, ok := counted.Of(counted.Settings{Vocabulary: voc}, p.Counter)
		if !ok {
			t.Errorf("no facts are known for %s", p.Counter)
		}
		needs := []string{p.growth.label}
		for _, m := range p.growth.where {
			needs = append(needs, m.label)
		}
		for _, l := range needs {
			if l != "" && !slices.Contains(c.Labels, l) {
				t.Errorf("the facts of %s do not tell %s", p.Counter, l)
			}
		}
	}
	slices.Sort(computed)
	if d := cmp.Diff(slices.Compact(computed), slices.Compact(read)); d != "" {
		t.Errorf("series (-computed +read back)\n%s", d)
	}
}

func TestMatchers(t *testing.T) {
	for _, c := range []struct {
		m    matcher
		v    string
		want bool
	}{
		{matcher{"l", "=", "a"}, "a", true},
		{matcher{"l", "=", "a"}, "b", false},
		{matcher{"l", "!=", "a"}, "a", false},
		{matcher{"l", "!=", "a"}, "b", true},
		{matcher{"l", "!~", "a|b"}, "b", false},
		{matcher{"l", "!~", "a|b"}, "ab", true},
		{matcher{"l", "=~", "a|b"}, "b", true},
		{matcher{"l", "=~", "a|b"}, "ab", false},
	} {
		if got := c.m.holds(c.v); got != c.want {
			t.Errorf("%v of %q: got %t", c.m, c.v, got)
		}
	}
}
