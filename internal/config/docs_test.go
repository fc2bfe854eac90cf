package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/config"
)

// TestOperationsListsEveryKey: the table of docs/operations.md has every key,
// in order, with its default.
func TestOperationsListsEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Configuration\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var got []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) < 3 {
			if key, rest, ok := strings.Cut(line, " | | "); ok && strings.HasPrefix(line, "| `") && rest != "" {
				got = append(got, strings.Trim(key, "| `")+" = ")
			}
			continue
		}
		got = append(got, strings.Trim(cells[0], "| `")+" = "+strings.Trim(cells[1], "` |"))
	}
	var want []string
	for _, k := range config.Keys() {
		want = append(want, strings.Replace(k.Path, "tenants.default.", "tenants.<id>.", 1)+" = "+k.Default)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the table of keys in docs/operations.md (-got, +want):\n%s", diff)
	}
}

func TestEnvironmentNamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, k := range config.Keys() {
		if other := seen[k.Env]; other != "" {
			t.Errorf("%s stands for %s and for %s", k.Env, other, k.Path)
		}
		seen[k.Env] = k.Path
	}
	if seen["STOREPULSE_KAFKA_BROKERS"] != "kafka.brokers" || seen["STOREPULSE_SINK_CLICKHOUSE_TLS_CA_FILE"] == "" {
		t.Errorf("names of variables: %v", seen)
	}
}
