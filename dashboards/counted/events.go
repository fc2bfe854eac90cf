package counted

import (
	"fmt"

	"github.com/storepulse/storepulse/schemas"
)

func events(s Settings) []Counter {
	// All events that were accepted, or those of customers.
	all := func(columns, more string) string {
		return fmt.Sprintf("SELECT tenant, event_time AS at, %s FROM fact_events WHERE %s%s", columns, within("event_time", 0), more)
	}
	customers := " AND NOT is_bot AND " + business
	accepted := func(topic, table string) string {
		return fmt.Sprintf("SELECT tenant, event_time AS at, '%s' AS topic, if(has(%s, toString(event_type)), toString(event_type), 'other') AS type, toString(platform) AS platform, 1 AS n FROM %s WHERE %s",
			topic, list(schemas.KindNames[:]), table, within("event_time", 0))
	}
	topic := fmt.Sprintf("if(kafka_topic = '%s', '%s', '%s') AS topic", s.Vocabulary.Topics[schemas.OrdersTopic], schemas.TopicNames[schemas.OrdersTopic], schemas.TopicNames[schemas.Clickstream])
	return []Counter{
		{"ecom_events_ingested_total", []string{"topic", "type", "platform"}, accepted("clickstream", "fact_events") + " UNION ALL " + accepted("orders", "fact_order_events")},
		{"ecom_page_views_total", []string{"page_type", "platform"}, all("page_type, platform, 1 AS n", customers+" AND event_type = 'page_view'")},
		{"ecom_searches_total", []string{"result"}, all("multiIf(NOT has_result_count, 'unknown', result_count = 0, 'zero', 'found') AS result, 1 AS n", customers+" AND event_type = 'search'")},
		{"ecom_events_consent_total", []string{"state"}, all("consent AS state, 1 AS n", "")},
		{"ecom_events_bot_total", []string{"rule"}, all("'user_agent' AS rule, 1 AS n", " AND is_bot")},
		{"ecom_events_late_total", []string{"topic", "class"}, "SELECT tenant, watermark AS at, " + topic + ", late_class AS class, 1 AS n FROM late_events"},
		// Letters have no tenant: what could not be read names none.
		{"ecom_events_dead_letter_total", []string{"topic", "reason"}, "SELECT '' AS tenant, received_at AS at, " + topic + ", reason, 1 AS n FROM dead_letters"},
	}
}
