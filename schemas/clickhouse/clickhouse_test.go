package clickhouse

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestMigrationsCountFromOne(t *testing.T) {
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, d := range []Dialect{{}, {Cluster: "shop"}} {
			statements := m.Statements(d)
			if len(statements) == 0 {
				t.Errorf("%s has no statement", m.Name)
			}
			for _, s := range statements {
				if strings.Contains(s, "{{") {
					t.Errorf("%s: a placeholder is left in %.80q", m.Name, s)
				}
				fed := strings.HasPrefix(s, "INSERT INTO fact_orders ") // idempotent aggregates; on a cluster its replicas copy them
				again := strings.Contains(s, "IF NOT EXISTS") || strings.Contains(s, "IF EXISTS") || strings.HasPrefix(s, "CREATE OR REPLACE VIEW ") || strings.Contains(s, " MODIFY QUERY\n")
				if !again && !fed {
					t.Errorf("%s: cannot be repeated: %.80q", m.Name, s)
				}
				if d.Cluster != "" && !fed && !strings.Contains(s, "ON CLUSTER `shop`") {
					t.Errorf("%s: not on the cluster: %.80q", m.Name, s)
				}
				if strings.Contains(s, "MergeTree") && strings.Contains(s, "Replicated") != (d.Cluster != "") {
					t.Errorf("%s: wrong engine for cluster %q: %.80q", m.Name, d.Cluster, s)
				}
			}
		}
	}
}

func TestMigrationsRefuseGapsAndOddNames(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"gap":      {"001_a.sql": {}, "003_c.sql": {}},
		"two":      {"001_a.sql": {}, "001_b.sql": {}},
		"odd name": {"1-a.sql": {}},
	} {
		if _, err := load(files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
