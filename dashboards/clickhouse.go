package dashboards

import (
	"reflect"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
)

const clickhouseType = "grafana-clickhouse-datasource"

// clickHouseQuery is what the ClickHouse plugin, versions 3 and 4, reads of a
// target. The SDK has no type for it.
type clickHouseQuery struct {
	RefID         string               `json:"refId"`
	Datasource    common.DataSourceRef `json:"datasource"`
	PluginVersion string               `json:"pluginVersion"`
	EditorType    string               `json:"editorType"`
	QueryType     string               `json:"queryType"`
	RawSQL        string               `json:"rawSql"`
	Format        int                  `json:"format"` // 0 time series, 1 table
}

func newClickHouseQuery(letter, sql string, overTime bool) cog.Builder[variants.Dataquery] {
	q := clickHouseQuery{RefID: letter, Datasource: ref("clickhouse"), PluginVersion: "4.11.0", EditorType: "sql", QueryType: "table", RawSQL: sql, Format: 1}
	if overTime {
		q.QueryType, q.Format = "timeseries", 0
	}
	return q
}

func (q clickHouseQuery) Build() (variants.Dataquery, error) { return q, nil }
func (clickHouseQuery) ImplementsDataqueryVariant()          {}
func (clickHouseQuery) DataqueryType() string                { return clickhouseType }
func (clickHouseQuery) Validate() error                      { return nil }

func (q clickHouseQuery) Equals(other variants.Dataquery) bool {
	return reflect.DeepEqual(variants.Dataquery(q), other)
}
