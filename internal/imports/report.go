package imports

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// Report accounts for every row: once the file is read to its end, Rows =
// Imported + Skipped + Unmatched + Rejected.
type Report struct {
	Rows       int64
	Imported   int64                    // became an event, or part of one
	Skipped    int64                    // by the mapping's rows conditions
	Unmatched  int64                    // no event's when held
	Rejected   int64                    // see Reasons
	Events     [schemas.NumTopics]int64 // handed out
	Cut        int64                    // rows in events, but not among their items
	Types      map[string]int64         // events by type
	Disordered int64                    // more than two minutes behind an earlier event: would count as late
	Reasons    map[string]int64
	Examples   []Rejection // the first of each reason, at most 20
}

// Rejection is one row that became no event.
type Rejection struct {
	Line   int64
	Reason string
}

func newReport() Report {
	return Report{Types: map[string]int64{}, Reasons: map[string]int64{}}
}

const (
	maxReasons  = 200 // different texts; the rest is counted together
	maxExamples = 20
)

func (r *Report) reject(line int64, reason string) {
	r.Rejected++
	if r.Reasons[reason] == 0 {
		if len(r.Examples) < maxExamples {
			r.Examples = append(r.Examples, Rejection{line, reason})
		}
		if len(r.Reasons) >= maxReasons {
			reason = "further reasons"
		}
	}
	r.Reasons[reason]++
}

// eventType finds the type's text again without parsing the event.
func eventType(value []byte) string {
	_, rest, _ := bytes.Cut(value, []byte(`,"type":"`)) // quotes inside texts are escaped
	name, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(name)
}

// Write prints the account.
func (r *Report) Write(w io.Writer) error {
	p := &printer{w: w}
	p.line("rows      %12d", r.Rows)
	p.line("imported  %12d", r.Imported)
	p.line("skipped   %12d  (rows: conditions)", r.Skipped)
	p.line("unmatched %12d  (no event's when held)", r.Unmatched)
	p.line("rejected  %12d", r.Rejected)
	p.line("events    %12d  (%d clickstream, %d orders)", r.Events[0]+r.Events[1], r.Events[0], r.Events[1])
	for _, t := range slices.Sorted(maps.Keys(r.Types)) {
		p.line("  %-22s %10d", t, r.Types[t])
	}
	if r.Cut > 0 {
		p.line("%d rows are in orders of more than %d lines; the sums have them, the items do not", r.Cut, maxItems)
	}
	if r.Disordered > 0 {
		p.line("%d events lie more than 2 minutes behind an earlier one and would count as late: use `order: time`", r.Disordered)
	}
	for _, x := range r.Examples {
		p.line("line %d: %s", x.Line, x.Reason)
	}
	if more := r.Rejected - int64(len(r.Examples)); more > 0 {
		p.line("and %d further rejected rows", more)
	}
	return p.err
}

// printer keeps the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
