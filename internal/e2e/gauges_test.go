package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/dashboards/counted"
)

// gaugesAgree compares "today" and "now" of a worker that has stopped with the
// tables, each lane at its own watermark. Exactly, but for distinct visitors and
// buyers: sketches of 2^14 registers, within 3 % or 3.
func (s *shop) gaugesAgree(gauges map[string]map[string]int64) {
	s.t.Helper()
	voc, err := s.cfg.Vocabulary()
	if err != nil {
		s.t.Fatal(err)
	}
	r := s.cfg.Transform()
	reached := map[uint32]int64{} // event time by lane
	if err := s.store().Each(s.t.Context(), "SELECT lane, argMax(watermark, (term, seq)) FROM epochs GROUP BY lane", nil, func(rows driver.Rows) error {
		var lane uint32
		var watermark int64
		err := rows.Scan(&lane, &watermark)
		reached[lane] = watermark + r.OutOfOrder.Milliseconds()
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	for _, g := range counted.Gauges(counted.Settings{Gap: r.Gap, MaxLength: r.MaxLength, OutOfOrder: r.OutOfOrder, PayWindow: r.PayWindow, Vocabulary: voc}) {
		tables := map[string]int64{}
		for lane, until := range reached {
			if err := s.store().Each(s.t.Context(), g.At(), ch.Parameters{"lane": fmt.Sprint(lane), "until": fmt.Sprint(until)}, func(rows driver.Rows) error {
				var tenant string
				var labels []string
				var n int64
				err := rows.Scan(&tenant, &labels, &n)
				tables[strings.Join(labels, " ")] += n
				return err
			}); err != nil {
				s.t.Fatalf("%v\n%s", err, g.At())
			}
		}
		sum, worst := int64(0), int64(0)
		keys := maps.Clone(gauges[g.Name])
		maps.Copy(keys, tables)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			got, want := gauges[g.Name][k], tables[k]
			allowed := int64(0)
			if strings.HasSuffix(g.Name, "_today") {
				allowed = max(3, want*3/100)
			}
			off := max(got-want, want-got)
			sum, worst = sum+want, max(worst, off)
			if off > allowed {
				s.t.Errorf("%s{%s} says %d, the tables %d", g.Name, k, got, want)
			}
		}
		s.t.Logf("%-40s %-34s %10d tables, off by %d at most", g.Name, strings.Join(g.Labels, ", "), sum, worst)
		if sum == 0 {
			s.t.Errorf("%s is 0 in the tables: nothing is compared", g.Name)
		}
	}
}
