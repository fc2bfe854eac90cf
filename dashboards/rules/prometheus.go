package rules

import "github.com/goccy/go-yaml"

// prometheus is the configuration of the stack in compose.yaml. Alerts compare
// with four weeks before, so retention must be 45 days: a flag, not a setting.
func prometheus() any {
	job := func(name string, more ...yaml.MapItem) yaml.MapSlice {
		return append(yaml.MapSlice{{Key: "job_name", Value: name}}, more...)
	}
	static := func(target string) yaml.MapItem {
		return yaml.MapItem{Key: "static_configs", Value: []any{yaml.MapSlice{{Key: "targets", Value: []string{target}}}}}
	}
	return yaml.MapSlice{
		{Key: "global", Value: yaml.MapSlice{{Key: "scrape_interval", Value: "15s"}, {Key: "evaluation_interval", Value: "1m"}}},
		{Key: "rule_files", Value: []string{"rules/*.yml"}},
		{Key: "alerting", Value: yaml.MapSlice{{Key: "alertmanagers", Value: []any{yaml.MapSlice{static("alertmanager:9093")}}}}},
		{Key: "scrape_configs", Value: []any{
			// Every container of the service is a worker.
			job("storepulse", yaml.MapItem{Key: "dns_sd_configs", Value: []any{yaml.MapSlice{
				{Key: "names", Value: []string{"storepulse"}}, {Key: "type", Value: "A"}, {Key: "port", Value: 9464}, {Key: "refresh_interval", Value: "15s"},
			}}}),
			job("clickhouse", static("clickhouse:9363")),
			job("prometheus", static("localhost:9090")),
		}},
	}
}
