package clickhouse

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
)

type metrics struct {
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	rows     *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	parts    prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ecom_clickhouse_insert_seconds", Help: "Time of one insert, from sending to the answer, failures included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"table"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecom_clickhouse_insert_failures_total", Help: "Inserts that failed, by class of outcome.",
		}, []string{"table", "class"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecom_clickhouse_insert_rows_total", Help: "Rows of acknowledged inserts, repeats that the server dropped included.",
		}, []string{"table"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecom_clickhouse_insert_bytes_total", Help: "Bytes sent in acknowledged inserts, as on the wire.",
		}, []string{"table"}),
		parts: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ecom_clickhouse_parts_max", Help: "Active parts of the partition that has most of them; over 150 merges do not keep up.",
		}),
	}
	names := []string{"lanes", "epochs", "snapshots"}
	for id := range schemas.NumTables {
		names = append(names, Table(id).Name)
	}
	for _, t := range names {
		m.seconds.WithLabelValues(t)
		m.rows.WithLabelValues(t)
		m.bytes.WithLabelValues(t)
		for _, c := range classNames {
			m.failures.WithLabelValues(t, c)
		}
	}
	if reg != nil {
		reg.MustRegister(m.seconds, m.failures, m.rows, m.bytes, m.parts)
	}
	return m
}
