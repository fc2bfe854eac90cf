package backfill

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/dashboards/counted"
	"github.com/storepulse/storepulse/dashboards/rules"
)

// past is one definition of the rules with its series.
type past struct {
	def     rules.Past
	counter counted.Counter
	lines   map[key]*line
	order   []*line
}

type key struct {
	tenant int
	slice  string
}

// line is what one slice of one tenant counted, in steps of the grid, from look
// before the chunk to its end. Its windows are series.
type line struct {
	tenant  int
	cells   []int64
	windows []windowLine
	base    int64 // of the open sessions: those before the first cell
}

type windowLine struct {
	rules.Window
	head   []byte // name and labels
	record int    // in the report
}

// window makes one series.
func (r *run) window(w rules.Window, tenant int, labels map[string]string) windowLine {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, k+"="+strconv.Quote(labels[k]))
	}
	if tenant >= 0 && len(r.opt.Tenants) > 1 {
		parts = append(parts, "tenant="+strconv.Quote(r.opt.Tenants[tenant]))
	}
	head := w.Record
	if len(parts) > 0 {
		head += "{" + strings.Join(parts, ",") + "}"
	}
	i, ok := r.index[w.Record]
	if !ok {
		i = len(r.report.Records)
		r.index[w.Record] = i
		r.report.Records = append(r.report.Records, Record{Name: w.Record})
	}
	r.report.Records[i].Series++
	return windowLine{w, []byte(head + " "), i}
}

// load brings the cells of all lines to the chunk that begins at begin, with
// facts until its end.
func (r *run) load(ctx context.Context, begin, until int64, first bool) error {
	zero := begin - look.Milliseconds() // time of the first cell
	from := begin
	if first {
		from = zero
	}
	move := func(l *line) {
		n := int(chunk / Grid)
		if first {
			return
		}
		for _, c := range l.cells[:n] {
			l.base += c
		}
		copy(l.cells, l.cells[n:])
		clear(l.cells[len(l.cells)-n:])
	}
	asked := map[string][]*past{} // by counter: one query serves all
	var order []string
	for _, p := range r.pasts {
		for _, l := range p.order {
			move(l)
		}
		if asked[p.counter.Name] == nil {
			order = append(order, p.counter.Name)
		}
		asked[p.counter.Name] = append(asked[p.counter.Name], p)
	}
	move(r.open)
	if until <= from {
		return nil
	}
	note := fmt.Sprintf("until %s, %d samples", day(until), r.report.Samples())
	for _, name := range order {
		list := asked[name]
		r.progress(len(order)+1, note)
		err := r.each(ctx, list[0].counter, from, until, func(tenant int, slot int64, label func(string) string, n int64) {
			for _, p := range list {
				slice, ok := p.def.Slice(label)
				if !ok {
					continue
				}
				l := p.lines[key{tenant, slice}]
				if l == nil {
					r.skipped[fmt.Sprintf("%s %v", name, p.def.Labels(slice))] += n
					continue
				}
				l.cells[(slot-zero)/Grid.Milliseconds()] += n
			}
		})
		if err != nil {
			return err
		}
	}
	if first {
		err := r.store.Each(ctx, counted.OpenAt(r.opt.Settings), args(from, from), func(rows driver.Rows) error { return rows.Scan(&r.open.base) })
		if err != nil {
			return fmt.Errorf("count the open sessions: %w", err)
		}
	}
	r.progress(len(order)+1, note)
	return r.each(ctx, counted.Open(r.opt.Settings), from, until, func(_ int, slot int64, _ func(string) string, n int64) {
		r.open.cells[(slot-zero)/Grid.Milliseconds()] += n
	})
}

// progress tells of the next query; a chunk has so many.
func (r *run) progress(queries int, note string) {
	if r.opt.Progress != nil {
		r.opt.Progress(r.queries, r.chunks*int64(queries), note)
	}
	r.queries++
}

// each asks for the counts of configured tenants.
func (r *run) each(ctx context.Context, c counted.Counter, from, until int64, add func(tenant int, slot int64, label func(string) string, n int64)) error {
	var tenant string
	var slot, n int64
	var labels []string
	label := func(name string) string {
		i := slices.Index(c.Labels, name)
		if i < 0 {
			panic(fmt.Sprintf("BUG: the facts of %s do not tell %s", c.Name, name))
		}
		return labels[i]
	}
	err := r.store.Each(ctx, c.Slots(Grid), args(from, until), func(rows driver.Rows) error {
		if err := rows.Scan(&tenant, &slot, &labels, &n); err != nil {
			return err
		}
		if i := slices.Index(r.opt.Tenants, tenant); i >= 0 {
			add(i, slot*1000, label, n)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count %s until %s: %w", c.Name, day(until), err)
	}
	return nil
}

// write gives the samples of the chunk, line by line: within a series they
// ascend, from chunk to chunk too.
func (r *run) write(begin, last int64) error {
	for _, p := range r.pasts {
		for _, l := range p.order {
			if r.since[l.tenant] == 0 {
				continue
			}
			if err := r.writeLine(l, begin, last, r.since[l.tenant]); err != nil {
				return err
			}
		}
	}
	since := int64(0)
	for _, s := range r.since {
		if s > 0 && (since == 0 || s < since) {
			since = s
		}
	}
	for i := range r.promos {
		if err := r.writePromotions(&r.promos[i], begin, last); err != nil {
			return err
		}
	}
	for i := range r.zones {
		if c := &r.zones[i]; r.since[c.tenant] > 0 {
			if err := r.writeClock(c, begin, last); err != nil {
				return err
			}
		}
	}
	return r.writeLine(r.open, begin, last, since)
}

func (r *run) writeLine(l *line, begin, last, since int64) error {
	grid, zero := Grid.Milliseconds(), begin-look.Milliseconds()
	r.cum[0] = 0
	for i, n := range l.cells {
		r.cum[i+1] = r.cum[i] + n
	}
	for k := range l.windows {
		w := &l.windows[k]
		for at := begin; at <= last; at += grid {
			end := at
			if w.Step > 0 {
				end = floor(at, w.Step.Milliseconds())
			}
			start := end - w.Length.Milliseconds()
			if start < since {
				continue // part of the window nobody saw
			}
			n := r.cum[(end-zero)/grid]
			if w.Length > 0 {
				n -= r.cum[(start-zero)/grid]
			} else {
				n += l.base
			}
			if err := r.sample(w, n, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// sample writes one.
func (r *run) sample(w *windowLine, n, at int64) error {
	r.buf = append(r.buf[:0], w.head...)
	r.buf = strconv.AppendInt(r.buf, n, 10)
	r.buf = append(r.buf, ' ')
	r.buf = strconv.AppendInt(r.buf, at/1000, 10)
	r.buf = append(r.buf, '\n')
	if _, err := r.out.Write(r.buf); err != nil {
		return err
	}
	r.report.Records[w.record].Samples++
	return nil
}
