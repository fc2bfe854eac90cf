// Package backfill computes from the facts in ClickHouse what the recording
// rules would have recorded in weeks that no Prometheus has seen, and writes it
// as OpenMetrics text for `promtool tsdb create-blocks-from openmetrics`. A
// command runs it; it only reads the tables.
//
// Samples lie five minutes apart. A baseline looks a week back at an instant and
// takes the newest sample of the five minutes before (Prometheus' lookback, of
// which one bound or both count): whatever the instant, there is one. The
// windows of 15 and 30 minutes, 2 hours and a day are whole numbers of five
// minutes, so that one count per five minutes serves all of them. A minute, as
// rules are evaluated, would be five times the size and say nothing more: of a
// shop it is 5.27 million samples and 394 MiB for four weeks.
package backfill

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/dashboards/counted"
	"github.com/storepulse/storepulse/dashboards/rules"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/prom"
)

const (
	// Grid is the time between samples.
	Grid = 5 * time.Minute
	// chunk is what is computed at once, and bounds the memory. A session can pay
	// days after it began, so shorter ones would read most sessions many times.
	chunk = 7 * 24 * time.Hour
	// look is how far back the longest window of a chunk's first sample reaches:
	// a day that ends at a half hour.
	look = 24*time.Hour + 30*time.Minute
	// opening is how far before the range facts are looked for: a shop that had
	// some was open before it.
	opening = 8 * 24 * time.Hour
	// nobody is the tenant of a series that is of all shops.
	nobody = -1
)

// Store is what backfill asks of ClickHouse.
type Store interface {
	Each(ctx context.Context, query string, args ch.Parameters, scan func(driver.Rows) error) error
}

// Options say what is computed.
type Options struct {
	From, Until time.Time // of the samples, From before Until
	Settings    counted.Settings
	Tenants     []string // label tenant stands in front when there are several
	Promotions  []prom.Promotion
	Register    *schemas.Register
	Progress    func(done, total int64, note string) // of queries
}

// Report says what was written.
type Report struct {
	From, Until time.Time // of the first and the last sample there can be
	Records     []Record
	Bytes       int64
	Notes       []string
}

// Record is one recorded name.
type Record struct {
	Name            string
	Series, Samples int64
}

// Samples is their number over all records.
func (r *Report) Samples() (n int64) {
	for _, rec := range r.Records {
		n += rec.Samples
	}
	return n
}

type run struct {
	opt    Options
	store  Store
	out    *bufio.Writer
	report *Report

	pasts   []*past // in the order of Pasts
	open    *line
	promos  []promoLine
	zones   []clock
	since   []int64 // by tenant: Unix ms of the first fact, 0 = none
	cum     []int64 // room for running sums
	skipped map[string]int64
	index   map[string]int // of records in the report
	buf     []byte
	queries int64 // asked
	chunks  int64 // in all
}

// Run writes the samples to w.
func Run(ctx context.Context, store Store, w io.Writer, opt Options) (*Report, error) {
	// The first one lies at or before From: who asks what was then finds it.
	from, until := floor(opt.From.UnixMilli(), Grid.Milliseconds()), floor(opt.Until.UnixMilli(), Grid.Milliseconds())
	if from >= until {
		return nil, fmt.Errorf("from %s until %s: less than five minutes lie between", opt.From.UTC().Format(time.RFC3339), opt.Until.UTC().Format(time.RFC3339))
	}
	count := &counter{w: w}
	r := &run{
		opt: opt, store: store, out: bufio.NewWriterSize(count, 1<<20), skipped: map[string]int64{}, index: map[string]int{},
		report: &Report{From: time.UnixMilli(from).UTC(), Until: time.UnixMilli(until).UTC()},
	}
	r.chunks = max(1, (until-from+chunk.Milliseconds()-1)/chunk.Milliseconds())
	if err := r.prepare(ctx, from, until); err != nil {
		return nil, err
	}
	for begin, last := from, from; last < until; begin = last + Grid.Milliseconds() {
		last = begin + chunk.Milliseconds() - Grid.Milliseconds()
		if until <= begin+chunk.Milliseconds() {
			last = until // the sample at the end of the last chunk needs no further facts
		}
		if err := r.load(ctx, begin, min(last+Grid.Milliseconds(), until), begin == from); err != nil {
			return nil, err
		}
		if err := r.write(begin, last); err != nil {
			return nil, fmt.Errorf("write the samples of %s: %w", day(begin), err)
		}
	}
	if _, err := r.out.WriteString("# EOF\n"); err != nil {
		return nil, fmt.Errorf("write the samples: %w", err)
	}
	if err := r.out.Flush(); err != nil {
		return nil, fmt.Errorf("write the samples: %w", err)
	}
	r.report.Bytes = count.n
	for what, n := range r.skipped {
		r.report.Notes = append(r.report.Notes, fmt.Sprintf("%d counted under %s, which the metrics do not have with this configuration: left out, as the counters do", n, what))
	}
	slices.Sort(r.report.Notes)
	return r.report, nil
}

// prepare makes the series, and asks since when there are facts.
func (r *run) prepare(ctx context.Context, from, until int64) error {
	r.since = make([]int64, len(r.opt.Tenants))
	first := int64(0)
	for _, table := range []string{"fact_events", "fact_order_events"} {
		// A late event says nothing about when the shop opened.
		query := `SELECT toString(tenant), toUnixTimestamp64Milli(min(event_time)) FROM ` + table + `
			WHERE business_date >= toDate(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) - 1 AND business_date <= toDate(fromUnixTimestamp64Milli({until:Int64}, 'UTC')) + 1
			AND event_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND event_time < fromUnixTimestamp64Milli({until:Int64}, 'UTC') AND late_class = 'none' GROUP BY tenant`
		err := r.store.Each(ctx, query, args(from-opening.Milliseconds(), until), func(rows driver.Rows) error {
			var tenant string
			var at int64
			if err := rows.Scan(&tenant, &at); err != nil {
				return err
			}
			i := slices.Index(r.opt.Tenants, tenant)
			if i < 0 {
				r.report.Notes = append(r.report.Notes, fmt.Sprintf("tenant %s has facts and is not configured: left out", tenant))
				return nil
			}
			if r.since[i] == 0 || at < r.since[i] {
				r.since[i] = at
			}
			if first == 0 || at < first {
				first = at
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for the first fact in %s: %w", table, err)
		}
	}
	if first == 0 {
		return fmt.Errorf("from %s until %s: no facts in this time", r.report.From.Format(time.RFC3339), r.report.Until.Format(time.RFC3339))
	}
	if first > from {
		r.report.Notes = append(r.report.Notes, "the first fact is of "+time.UnixMilli(first).UTC().Format(time.RFC3339)+": nothing is said of the time before")
	}
	slots := int((look + chunk) / Grid)
	r.cum = make([]int64, slots+1)
	for _, def := range rules.Pasts() {
		c, ok := counted.Of(r.opt.Settings, def.Counter)
		if !ok {
			return fmt.Errorf("BUG: no facts are known for %s", def.Counter)
		}
		p := &past{def: def, counter: c, lines: map[key]*line{}}
		for tenant := range r.opt.Tenants {
			for _, slice := range def.Slices(r.opt.Register) {
				l := &line{tenant: tenant, cells: make([]int64, slots)}
				for _, w := range def.Windows {
					l.windows = append(l.windows, r.window(w, tenant, def.Labels(slice)))
				}
				p.lines[key{tenant, slice}] = l
				p.order = append(p.order, l)
			}
		}
		r.pasts = append(r.pasts, p)
	}
	r.open = &line{tenant: nobody, cells: make([]int64, slots), windows: []windowLine{r.window(rules.Window{Record: rules.OpenSessions}, nobody, nil)}}
	r.promotions(from, until)
	r.clocks()
	return nil
}

func day(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateOnly) }

func args(from, until int64) ch.Parameters {
	return ch.Parameters{"from": fmt.Sprint(from), "until": fmt.Sprint(until)}
}

func floor(ms, step int64) int64 { return ms - ms%step }

// counter counts what passes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
