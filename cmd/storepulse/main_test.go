package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestWrongCommandLines: what makes no sense is said before anything is
// connected, and ends with 2.
func TestWrongCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"lst":              `unknown command "lst"`,
		"config lst":       `config: unknown command "lst"`,
		"dashboards lst":   `dashboards: unknown command "lst"`,
		"deadletters lst":  `deadletters: unknown command "lst"`,
		"dev lst":          `dev: unknown command "lst"`,
		"metrics lst":      `metrics: unknown command "lst"`,
		"rules lst":        `rules: unknown command "lst"`,
		"sql":              "sql: accepts 1 arg(s), received 0",
		"status --all":     "unknown flag: --all",
		"metrics show lst": `no metric "lst"`,

		"import f.csv": "--mapping is needed",
		"import f.csv --mapping m.yaml --rate -1":               "--rate: must not be negative (got -1)",
		"import f.csv --mapping m.yaml --rate 5 --time-lapse 2": "give one of them",

		"run --within 5m":                           "--within belongs to --drain",
		"generate --time-lapse -1":                  "--time-lapse: must not be negative (got -1)",
		"generate --events -1":                      "--events: must not be negative (got -1)",
		"generate --start soon":                     "--start: want a time",
		"generate --stdout --time-lapse 60":         "--time-lapse is the pace for Kafka",
		"validate events.jsonl --limit -4":          "--limit: must not be negative (got -4)",
		"demo --time-lapse 0":                       "--time-lapse: must be above 0 (got 0)",
		"demo --partitions 0":                       "--partitions: must be at least 1 (got 0)",
		"demo --incident flood":                     "incident",
		"demo --duration -1s":                       "--duration: must not be negative (got -1s)",
		"demo --import f.csv":                       "--import and --mapping go together",
		"demo --import f --mapping m --duration 5s": "--duration needs shoppers",
		"dashboards push --user admin":              "--user and --password-file go together",
		"dashboards push":                           "give a token, or a user with a password",
		"healthcheck --user probe":                  "--user and --password-file go together",
		"deadletters list --limit -1":               "--limit: must not be negative (got -1)",
		"deadletters list --lane one":               `want the number of a lane, not "one"`,
		"deadletters list --from soon":              "--from: want a time",
		"deadletters export --reason lst":           "--reason: want one of",
		"deadletters show orders/3":                 "orders/3",
		"deadletters replay --data-dir .storepulse": "unknown flag: --data-dir",
		"deadletters replay --rate -1":              "--rate: must not be negative (got -1)",
		"rules backfill --to soon":                  "--to: want a time",
		"rules backfill --weeks 9":                  "--weeks: want 1 to 6",
		"rules backfill --weeks 3 --from 500h":      "--from and --weeks say the same",
		"verify --to soon":                          "--to: want a time",
		"verify --records --no-kafka":               "leave --no-kafka out",
		"trace":                                     "want one of --event",
		"trace --event e --limit -1":                "--limit: must not be negative (got -1)",
		"trace --order o --source s":                "--source belongs to --event",
		"trace --event e --tenant default":          "--tenant belongs to --order and --visitor",
		"trace --order o --tenant nobody":           `"nobody" is not configured`,
		"trace --position orders/3":                 "orders/3",
	} {
		var out bytes.Buffer
		code := execute(t.Context(), strings.Fields("storepulse "+line), streams{strings.NewReader(""), &out, &out})
		if code != 2 || !strings.Contains(out.String(), want) {
			t.Errorf("%s: exit code %d, want 2 and %q:\n%s", line, code, want, &out)
		}
	}
}

// TestGroups: a command that holds others is no mistake; it says which.
func TestGroups(t *testing.T) {
	for _, name := range []string{"", "config", "dashboards", "deadletters", "dev", "metrics", "rules"} {
		var out bytes.Buffer
		if code := execute(t.Context(), strings.Fields("storepulse "+name), streams{strings.NewReader(""), &out, &out}); code != 0 || !strings.Contains(out.String(), "Available Commands:") {
			t.Errorf("storepulse %s: exit code %d, want 0 and the commands:\n%s", name, code, &out)
		}
	}
}
