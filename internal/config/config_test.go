package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/config"
)

func load(t *testing.T, text string, environ ...string) (config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "storepulse.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, environ)
}

// faults loads and gives the lines of the error.
func faults(t *testing.T, text string, environ ...string) []string {
	t.Helper()
	_, err := load(t, text, environ...)
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func expectFaults(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("faults (-got, +want):\n%s", diff)
	}
}

func TestNoFileIsTheDefaults(t *testing.T) {
	got, err := config.Load("", nil)
	if err != nil {
		t.Fatalf("the defaults are refused: %v", err)
	}
	if diff := cmp.Diff(got, config.Default()); diff != "" {
		t.Errorf("-got, +want:\n%s", diff)
	}
	v, err := got.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	if d := v.Tenants[0]; len(v.Tenants) != 1 || d.ID != "default" || d.Location.String() != "Asia/Shanghai" || d.Currency != "CNY" {
		t.Errorf("default tenants: %+v", v.Tenants)
	}
}

func TestFileOverDefaultsAndEnvironmentOverFile(t *testing.T) {
	c, err := load(t, `
kafka:
  brokers: [k1:9092, k2:9092]
  topics: {orders: orders.test}
ingest: {epoch: {bytes: 8MiB, records: 10_000}}
pipeline:
  snapshot_every: 10s
transform:
  session: {gap: 20m, idle_after: 5s}
events:
  extra_types:
    - share
    - add_to_wishlist
http:
  listen: ":9000"
log:
`, "STOREPULSE_TRANSFORM_SESSION_GAP=15m", "STOREPULSE_HTTP_PPROF=true", "STOREPULSE_EVENTS_CATEGORIES=food, toys",
		"STOREPULSE_TENANTS_DEFAULT_CURRENCY=EUR", "STOREPULSE_KAFKA_BROKERS=k3:9092, k4:9092",
		"STOREPULSE_SINK_CLICKHOUSE_URL=http://ch:8123", "STOREPULSE_SINK_CLICKHOUSE_PASSWORD=hunter2", "STOREPULSE_KAFKA_TLS_ENABLED=true",
		"STOREPULSE_LOG_LEVEL=", "STOREPULSE_TEST_KAFKA=127.0.0.1:19092", "HOME=/",
		"STOREPULSE_KAFKA_PORT=tcp://10.0.0.1:9092", "STOREPULSE_KAFKA_PORT_9092_TCP_ADDR=10.0.0.1", "STOREPULSE_KAFKA_SERVICE_HOST=10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Kafka.Brokers, want.Kafka.Topics.Orders, want.Kafka.TLS.Enabled = []string{"k3:9092", "k4:9092"}, "orders.test", true
	want.Ingest.Epoch.Bytes, want.Ingest.Epoch.Records = 8<<20, 10_000
	want.Sink.ClickHouse.URL, want.Sink.ClickHouse.Password = "http://ch:8123", "hunter2"
	want.Pipeline.SnapshotEvery = 10 * time.Second
	want.Rules.Session.Gap = 15 * time.Minute
	want.Rules.Session.IdleAfter = 5 * time.Second
	want.Events = config.Events{ExtraTypes: []string{"share", "add_to_wishlist"}, Categories: []string{"food", "toys"}}
	want.HTTP.Listen, want.HTTP.Pprof = ":9000", true
	want.Tenants["default"] = config.Tenant{Timezone: "Asia/Shanghai", Currency: "EUR"}
	if diff := cmp.Diff(c, want); diff != "" {
		t.Errorf("-got, +want:\n%s", diff)
	}
	if in := c.Source(); in.IdleAfter != 5*time.Second || in.Kafka.Topics.Orders != "orders.test" {
		t.Errorf("Source() = %+v", in)
	}
	if v, err := c.Vocabulary(); err != nil || v.Topics[1] != "orders.test" {
		t.Errorf("Vocabulary() = %+v, %v", v, err)
	}
	if s := c.Transform(); s.Gap != 15*time.Minute || s.PayWindow != 72*time.Hour {
		t.Errorf("Transform() = %+v", s)
	}
}

func TestTenantsOfTheFileReplaceTheDefaultOne(t *testing.T) {
	c, err := load(t, "tenants:\n  south: {timezone: Asia/Tokyo, currency: JPY, domains: [south.example]}\n  north:\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]config.Tenant{
		"north": {Timezone: "Asia/Shanghai", Currency: "CNY"},
		"south": {Timezone: "Asia/Tokyo", Currency: "JPY", Domains: []string{"south.example"}},
	}
	if diff := cmp.Diff(c.Tenants, want); diff != "" {
		t.Errorf("-got, +want:\n%s", diff)
	}
	v, err := c.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v.TenantNames, []string{"north", "south"}); diff != "" {
		t.Errorf("order of tenants (-got, +want):\n%s", diff)
	}
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	expectFaults(
		t,
		faults(t, `pipeline:
  snapshot_evry: 10s
kafak: {brokers: [k:9092]}
kafka: {brokers: [k1, "k2:9092"]}
ingest: {epoch: {bytes: huge, records: 1.5}}
transform:
  session:
    gap: soon
    max_length: 1s
tenants:
  "a b": {timezone: Mars/Olympus, currency: XXXX}
events:
  extra_types: share
  categories: [food, food, other]
http: 9464
log: {level: loud}
`, "STOREPULSE_LOG_FORMAT=xml", "STOREPULSE_LOG_LEVL=debug", "STOREPULSE_PIPELINE_SNAPSHOT_EVERY=often"),
		"storepulse.yaml:2: pipeline.snapshot_evry: unknown key (did you mean pipeline.snapshot_every?)",
		"storepulse.yaml:3: kafak: unknown key (did you mean kafka?)",
		`storepulse.yaml:5: ingest.epoch.bytes: size "huge": must be a number, or one with KiB, MiB or GiB, such as 32MiB`,
		`storepulse.yaml:5: ingest.epoch.records: must be a whole number, or a size such as 32MiB (got "1.5")`,
		`storepulse.yaml:8: transform.session.gap: must be a duration such as 30s, 5m or 2h (got "soon")`,
		"storepulse.yaml:13: events.extra_types: must be a list",
		"storepulse.yaml:15: http: must be a mapping of keys to values",
		`STOREPULSE_PIPELINE_SNAPSHOT_EVERY: pipeline.snapshot_every: must be a duration such as 30s, 5m or 2h (got "often")`,
		"STOREPULSE_LOG_LEVL: names no configuration key (did you mean STOREPULSE_LOG_LEVEL?)",
		`kafka.brokers: must be host:port (got "k1")`,
		"transform.session.max_length: must be from 30m to 168h (got 1s)",
		`tenants.a b: must be 1 to 64 of letters, digits, dot, _ and - (got "a b")`,
		`tenants.a b.timezone: must be an IANA time zone such as Asia/Shanghai (got "Mars/Olympus")`,
		`tenants.a b.currency: must be an ISO 4217 code such as CNY (got "XXXX")`,
		`events.categories[1]: must not be listed twice (got "food")`,
		`events.categories[2]: must not be unknown or other, they are always there (got "other")`,
		`log.level: must be debug, info, warn or error (got "loud")`,
		`log.format: must be auto, text or json (got "xml")`,
	)
}

func TestFilesThatAreNoConfiguration(t *testing.T) {
	if got := faults(t, "pipeline: [unclosed\n"); len(got) == 0 || !strings.HasPrefix(got[0], "storepulse.yaml: not YAML: ") {
		t.Errorf("broken YAML: %q", got)
	}
	if got := faults(t, "log: {level: info}\nlog: {level: warn}\n"); len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), "log") {
		t.Errorf("a key given twice: %q, want a fault", got)
	}
	expectFaults(t, faults(t, "- a\n- b\n"), "storepulse.yaml:1: the file: must be a mapping of keys to values")
	expectFaults(t, faults(t, "log: {level: info}\n---\nlog: {level: warn}\n"), "storepulse.yaml: must be one YAML document (got 2)")
	expectFaults(t, faults(t, "log:\n  level: &l info\n"), "storepulse.yaml:2: log.level: must be a plain value: anchors, aliases and tags are not supported")
	expectFaults(t, faults(t, ""))
	expectFaults(t, faults(t, "# nothing but a comment\n"))
	if _, err := config.Load("/no/such/file.yaml", nil); err == nil || !strings.Contains(err.Error(), "/no/such/file.yaml") {
		t.Errorf("missing file: %v", err)
	}
}

func TestDumpIsReadBackAsItWas(t *testing.T) {
	want, err := load(t, `
transform: {session: {gap: 1h30m, out_of_order: 90s}, orders: {pay_window: 48h}}
tenants: {"1": {timezone: UTC, currency: USD, domains: [a.example, b.example]}, two: {}}
events: {categories: ["yes", "007", "a: b"]}
promotions: [{kind: flash, name: "a: b", from: 2026-11-11T00:00:00+08:00, until: 2026-11-11T00:00:00.5+07:00}]
`)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := want.Dump(&out); err != nil {
		t.Fatal(err)
	}
	got, err := load(t, out.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	// A list that is written empty comes back empty, not nil: it means the same.
	if diff := cmp.Diff(got, want, cmpEmptyLists()); diff != "" {
		t.Errorf("-got, +want:\n%s\n%s", diff, out.String())
	}
	if !strings.Contains(out.String(), "gap: 1h30m\n") {
		t.Errorf("durations are not written as people write them:\n%s", out.String())
	}
}

func TestDumpMasksSecrets(t *testing.T) {
	c, err := load(t, "", "STOREPULSE_SINK_CLICKHOUSE_PASSWORD=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	c.Sink.ClickHouse.URL = "https://admin:hunter2@ch:8443" // refused by Load, but a dump must not depend on it
	var out bytes.Buffer
	if err := c.Dump(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "https://admin:********@ch:8443") {
		t.Errorf("the password is not masked:\n%s", out.String())
	}
}

func cmpEmptyLists() cmp.Option {
	return cmp.Transformer("empty", func(s []string) string { return strings.Join(s, "\x00") })
}
