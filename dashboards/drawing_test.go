package dashboards

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/storepulse/storepulse/schemas/catalogue"
)

// TestFallsAreDrawn: an axis that begins at zero hides what lies below it.
func TestFallsAreDrawn(t *testing.T) {
	column := regexp.MustCompile(` AS ([a-z0-9_]+)`)
	difference := regexp.MustCompile(`(^|[^1]) - [a-z(]`) // 1 - share is none
	for _, b := range boards() {
		for _, r := range b.rows {
			for _, p := range r.panels {
				if p.kind != asSeries {
					continue
				}
				falls := false
				for _, q := range p.targets {
					falls = falls || strings.Contains(q.promql, ":z") || difference.MatchString(q.promql)
					for _, m := range column.FindAllStringSubmatch(q.sql, -1) {
						for _, d := range catalogue.Find(m[1]) {
							falls = falls || difference.MatchString(d.Value)
						}
					}
				}
				if p.signed != falls {
					t.Errorf("%s: %s may be below zero: %t, its axis allows that: %t", b.uid, p.title, falls, p.signed)
				}
			}
		}
	}
}

// built is what the test reads of a dashboard.
type built struct {
	Timezone string
	Panels   []struct {
		Title       string
		Description string
		Type        string
		FieldConfig struct{ Defaults struct{ Min *float64 } }
		Options     struct {
			Timezone      []string
			Legend        struct{ ShowLegend bool }
			ReduceOptions struct{ Values bool }
		}
		Targets []struct{ RawSQL string }
	}
	Annotations struct {
		List []struct {
			Name, TitleFormat, TagKeys string
			Enable                     bool
			Target                     struct{ Expr string }
		}
	}
}

func everyBoard(t *testing.T, check func(file string, d built)) {
	t.Helper()
	files, err := Files(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		var d built
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		check(file, d)
	}
}

// TestPanelsAreDrawn: what the files say of axes, days and rows.
func TestPanelsAreDrawn(t *testing.T) {
	signed, days, rows := 0, 0, 0
	everyBoard(t, func(file string, d built) {
		for _, p := range d.Panels {
			sql := ""
			for _, q := range p.Targets {
				sql += q.RawSQL
			}
			if p.Type == "timeseries" && p.FieldConfig.Defaults.Min == nil {
				signed++
			}
			// A day is the moment of its midnight in UTC: elsewhere it may be that of the
			// evening before.
			if daily := strings.Contains(sql, " AS day"); daily != (len(p.Options.Timezone) == 1 && p.Options.Timezone[0] == "utc") {
				t.Errorf("%s: %s has days: %t, its time zones are %q", file, p.Title, daily, p.Options.Timezone)
			} else if daily {
				days++
				if !strings.Contains(p.Description, "midnight UTC") || !p.Options.Legend.ShowLegend {
					t.Errorf("%s: %s does not say how its days are drawn, or what its lines are", file, p.Title)
				}
			}
			if p.Type == "stat" && strings.Contains(sql, "GROUP BY") {
				rows++
				if !p.Options.ReduceOptions.Values || !strings.Contains(sql, " ORDER BY ") {
					t.Errorf("%s: %s shows one of its rows, or any order of them", file, p.Title)
				}
			}
		}
	})
	if signed != 3 || days < 10 || rows != 2 {
		t.Errorf("%d panels have an axis below zero, %d show days, %d rows of a stat", signed, days, rows)
	}
}

// TestAlertsAreMarked: every dashboard shows when somebody was paged.
func TestAlertsAreMarked(t *testing.T) {
	everyBoard(t, func(file string, d built) {
		l := d.Annotations.List
		if len(l) != 1 || !l[0].Enable || l[0].Target.Expr != pages || !strings.Contains(l[0].TitleFormat, "{{alertname}}") || l[0].TagKeys == "" {
			t.Errorf("%s: annotations %+v", file, l)
		}
	})
}

// TestShopsAreApart: what is no sum is shown of each shop.
func TestShopsAreApart(t *testing.T) {
	mixed := regexp.MustCompile(`\b(max|min|avg)\(ecom[_:][^)]*\$tenant`)
	for _, b := range boards() {
		for _, r := range b.rows {
			for _, p := range r.panels {
				for _, q := range p.targets {
					if mixed.MatchString(q.promql) {
						t.Errorf("%s: %s takes one of all shops: %s", b.uid, p.title, q.promql)
					}
				}
			}
		}
	}
}
