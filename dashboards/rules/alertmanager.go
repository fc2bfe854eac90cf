package rules

import "github.com/goccy/go-yaml"

// alertmanager routes by severity and silences what follows from something
// else: trouble of pipeline or tracking makes every business number doubtful,
// and a fall of the whole shop explains that of its slices.
//
// The receivers speak to incoming webhooks as Slack has them, whose secret
// addresses are in files that are mounted beside the configuration.
func alertmanager() any {
	const message = `{{ range .Alerts }}{{ .Annotations.summary }}
{{ with .Annotations.slice }}{{ . }}
{{ end }}now {{ .Annotations.current }}, usual {{ .Annotations.baseline }}{{ with .Annotations.sample }}, n {{ . }}{{ end }}{{ with .Annotations.z }}, z {{ . }}{{ end }}{{ with .Annotations.lost_orders_per_hour }}
lost an hour: orders {{ . }}{{ end }}{{ with .Annotations.lost_money_per_hour }}, money {{ . }}{{ end }}
{{ .Annotations.dashboard }}
{{ .Annotations.runbook }}
{{ end }}`
	receiver := func(name, file string, resolved bool) yaml.MapSlice {
		return yaml.MapSlice{
			{Key: "name", Value: name},
			{Key: "slack_configs", Value: []any{yaml.MapSlice{
				{Key: "api_url_file", Value: "/etc/alertmanager/receivers/" + file},
				{Key: "send_resolved", Value: resolved},
				{Key: "title", Value: `{{ .CommonLabels.alert_id }} {{ .CommonLabels.alertname }} ({{ .Alerts | len }} {{ .Status }})`},
				{Key: "text", Value: message},
			}}},
		}
	}
	inhibit := func(source, target, equal []string) yaml.MapSlice {
		m := yaml.MapSlice{{Key: "source_matchers", Value: source}, {Key: "target_matchers", Value: target}}
		if len(equal) > 0 {
			m = append(m, yaml.MapItem{Key: "equal", Value: equal})
		}
		return m
	}
	// What the pipeline does not deliver, the tracker has not lost.
	judged := []string{`family=~"business|tracking"`}
	return yaml.MapSlice{
		{Key: "route", Value: yaml.MapSlice{
			{Key: "receiver", Value: "chat"},
			{Key: "group_by", Value: []string{"alert_id", "tenant"}},
			{Key: "group_wait", Value: "30s"},
			{Key: "group_interval", Value: "5m"},
			{Key: "repeat_interval", Value: "4h"},
			{Key: "routes", Value: []any{
				yaml.MapSlice{
					{Key: "receiver", Value: "heartbeat"},
					{Key: "matchers", Value: []string{`alert_id="A-PL-11"`}},
					{Key: "group_wait", Value: "0s"},
					{Key: "group_interval", Value: "1m"},
					{Key: "repeat_interval", Value: "5m"},
				},
				yaml.MapSlice{{Key: "receiver", Value: "page"}, {Key: "matchers", Value: []string{`severity="critical"`}}, {Key: "repeat_interval", Value: "1h"}},
				yaml.MapSlice{{Key: "receiver", Value: "digest"}, {Key: "matchers", Value: []string{`severity="info"`}}, {Key: "group_interval", Value: "1h"}, {Key: "repeat_interval", Value: "1d"}},
			}},
		}},
		{Key: "inhibit_rules", Value: []any{
			// The pipeline serves all tenants: its alerts name none.
			inhibit([]string{`alert_id=~"A-PL-02|A-PL-06|A-PL-07"`}, judged, nil),
			inhibit([]string{`alert_id="A-PL-01"`, `severity="critical"`}, judged, nil),
			inhibit([]string{`alert_id="A-TRK-01"`, `window!~"2h|1d"`}, []string{`family="business"`}, []string{"tenant"}),
			inhibit([]string{`alert_id="A-TRK-01"`, `window=~"2h|1d"`}, []string{`family="business"`}, []string{"tenant", "window"}),
			// All events of a platform stand for each type of them.
			inhibit([]string{`alert_id="A-TRK-01"`, `count="events"`}, []string{`alert_id="A-TRK-01"`, `count!~"events|"`}, []string{"tenant", "slice", "reason", "window"}),
			// A fall of the whole shop explains that of its slices. The steps stay:
			// they say where it breaks.
			inhibit([]string{`alert_id="A-CVR-01"`, `severity="critical"`}, []string{`alert_id="A-CVR-03"`}, []string{"tenant"}),
			inhibit([]string{`severity="critical"`}, []string{`severity="warning"`}, []string{"alert_id", "tenant", "dimension", "slice", "step", "reason", "trouble", "topic", "lane", "instance"}),
		}},
		{Key: "receivers", Value: []any{
			receiver("page", "page.url", true), receiver("chat", "chat.url", true), receiver("digest", "digest.url", false), receiver("heartbeat", "heartbeat.url", false),
		}},
	}
}
