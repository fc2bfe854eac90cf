package imports

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// Options of one reading of a file.
type Options struct {
	// Shift moves every time, for instance to let old data end now. It is added
	// to the mapping's own shift.
	Shift time.Duration
	// Vocabulary, if given, lets the engine's decoder judge every event: what it
	// would set aside is rejected here, with the line it came from.
	Vocabulary *schemas.Vocabulary
	// SortedEvents and SortedBytes bound what `order: time` holds in memory;
	// 0 = 5,000,000 events and 2 GiB.
	SortedEvents int
	SortedBytes  int64
}

// Reader gives the events of a file. Not for concurrent use, except Progress.
type Reader struct {
	m      *Mapping
	o      Options
	in     *source
	rows   rowReader
	groups *groups
	queue  []gen.Event // made of the last row or group, not yet handed out
	head   int
	sorted *sorted
	judged *judge
	report Report
	newest time.Time
	err    error
	ended  bool
}

// Open opens a file ("-" is standard input; gzip is recognized).
func Open(path string, m *Mapping, o Options) (*Reader, error) {
	in, err := openSource(path)
	if err != nil {
		return nil, err
	}
	r, err := newReader(in, m, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("import %s: %w", path, err), in.Close())
	}
	return r, nil
}

func newReader(in *source, m *Mapping, o Options) (*Reader, error) {
	rows, err := newRowReader(in, m)
	if err != nil {
		return nil, err
	}
	r := &Reader{m: m, o: o, in: in, rows: rows, report: newReport()}
	if m.group != nil {
		r.groups = newGroups(m.group)
	}
	if o.Vocabulary != nil {
		r.judged = newJudge(o.Vocabulary)
	}
	if m.Sorted {
		r.sorted = newSorted(o)
	}
	return r, nil
}

// Next gives the next event, false at the end or after an error; see Err. The
// buffers of e are valid until the next call.
func (r *Reader) Next(e *gen.Event) bool {
	if r.err != nil {
		return false
	}
	if r.sorted != nil {
		if !r.ended {
			r.err = r.fill()
			if r.err != nil {
				return false
			}
		}
		return r.sorted.next(e)
	}
	return r.produce(e)
}

// Err says why Next ended early, nil if the file was read to its end. Rejected
// rows are no error: see Report.
func (r *Reader) Err() error { return r.err }

// Report tells what became of the rows so far.
func (r *Reader) Report() *Report { return &r.report }

// Progress gives bytes read of the stored file and its size, 0 if unknown.
func (r *Reader) Progress() (read, total int64) { return r.in.read.Load(), r.in.total }

// Close lets the file go.
func (r *Reader) Close() error { return r.in.Close() }

// fill reads the whole file into memory and sorts it by time.
func (r *Reader) fill() error {
	var e gen.Event
	for r.produce(&e) {
		if err := r.sorted.add(&e); err != nil {
			return err
		}
	}
	if r.err == nil {
		r.sorted.sort()
		r.report.Disordered = 0
	}
	return r.err
}

// produce hands out one event in the order of the file.
func (r *Reader) produce(e *gen.Event) bool {
	for r.head == len(r.queue) {
		r.queue, r.head = r.queue[:0], 0
		if r.ended || !r.advance() {
			return false
		}
	}
	*e = r.queue[r.head]
	r.head++
	r.report.Events[e.Topic]++
	// Beyond the engine's bound for disorder the event would count as late.
	if e.Time.Before(r.newest.Add(-2 * time.Minute)) {
		r.report.Disordered++
	}
	if e.Time.After(r.newest) {
		r.newest = e.Time
	}
	return true
}

// advance reads rows until events are queued; false at the end.
func (r *Reader) advance() bool {
	var in row
	for len(r.queue) == 0 {
		err := r.rows.next(&in)
		var bad *rowError
		switch {
		case errors.As(err, &bad):
			r.report.Rows++
			r.report.reject(in.line, bad.reason)
			continue
		case errors.Is(err, io.EOF):
			r.ended = true
			if r.groups != nil {
				for _, g := range r.groups.rest() {
					r.build(g)
				}
			}
			return len(r.queue) > 0
		case err != nil:
			r.err = fmt.Errorf("import: %w", err)
			return false
		}
		r.report.Rows++
		switch {
		case !allHold(r.m.rows, &in):
			r.report.Skipped++
		case r.groups == nil:
			r.build([]row{in})
		default:
			g, err := r.groups.add(&in)
			if err != nil {
				r.report.reject(in.line, err.Error())
			}
			if g != nil {
				r.build(g)
			}
		}
	}
	return true
}
