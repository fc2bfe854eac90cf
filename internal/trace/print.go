package trace

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
)

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) error {
	p := &printer{tw: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(r.Records) > 1 {
		p.line("%s: %d records", r.Question, len(r.Records))
	}
	for i, s := range r.Records {
		if i > 0 {
			p.line("")
		}
		p.story(s)
	}
	if r.Order != nil {
		p.order(r.Order)
	}
	if r.Visitor != nil {
		p.visitor(r.Visitor)
	}
	if !r.Found() {
		p.line("%s: not found", r.Question)
	}
	for _, n := range r.Notes {
		p.line("%s", n)
	}
	return p.tw.Flush()
}

type printer struct{ tw *tabwriter.Writer }

// line ends the columns before it.
func (p *printer) line(format string, args ...any) {
	_ = p.tw.Flush()
	fmt.Fprintf(p.tw, format+"\n", args...)
	_ = p.tw.Flush()
}

func (p *printer) row(name, format string, args ...any) {
	fmt.Fprintf(p.tw, "%s\t%s\n", name, fmt.Sprintf(format, args...))
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

func maybe(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return at(*t)
}

func (p *printer) story(s *Story) {
	p.row("record", "%s", s.Position)
	p.row("outcome", "%s: %s", s.Outcome, s.Says)
	if e := s.Event; e != nil {
		p.row("event", "%s %s of %s, tenant %s", e.Type, e.ID, e.Source, e.Tenant)
		corrected := ""
		if e.Corrected {
			corrected = " (set to the arrival: the producer's clock was ahead)"
		}
		p.row("time", "%s%s, received %s, inserted %s", at(e.Time), corrected, at(e.Received), at(e.Inserted))
		p.row("visitor", "%s", e.Visitor)
		if e.OrderID != "" {
			p.row("order", "%s", e.OrderID)
		}
	}
	for _, l := range s.Letters {
		place := l.Field
		if l.Table != "" {
			place = l.Table
		}
		p.row("dead letter", "%s %s: %s", l.Reason, place, l.Detail)
	}
	if s.Replayed != "" {
		p.row("replayed", "as %s", s.Replayed)
	}
	if s.Of != "" {
		p.row("replay of", "the dead letter at %s", s.Of)
	}
	if e := s.Epoch; e != nil {
		p.epoch(e)
	}
	if len(s.Rows) > 0 {
		parts := make([]string, len(s.Rows))
		for i, r := range s.Rows {
			numbers := make([]string, 0, 4)
			for _, n := range r.Rows[:min(len(r.Rows), 4)] {
				numbers = append(numbers, fmt.Sprint(n))
			}
			if len(r.Rows) > 4 {
				numbers = append(numbers, "…")
			}
			parts[i] = fmt.Sprintf("%s %d (row %s)", r.Table, r.Number, strings.Join(numbers, ", "))
		}
		p.row("rows", "%s", strings.Join(parts, "; "))
	}
	p.session(s.Session)
	if r := s.Record; r != nil {
		p.record(r)
	}
}

func (p *printer) epoch(e *Epoch) {
	state := "in hand"
	if e.Done {
		state = "done"
	}
	worker := "its claim has been replaced"
	if e.Worker != "" {
		worker = "worker " + e.Worker
	}
	p.row("epoch", "lane %d, epoch %d (%s), %s, planned %s", e.Lane, e.Epoch, e.Kind, state, at(e.Planned))
	p.row("", "plan %s, claim %d, %s", e.PlanID, e.Claim(), worker)
	p.row("", "clickstream [%d, %d), orders [%d, %d), watermark %s, transform %d", e.Ranges[0].Start, e.Ranges[0].End, e.Ranges[1].Start, e.Ranges[1].End, at(e.Watermark), e.Transform)
}

func (p *printer) session(s *Session) {
	if s == nil {
		return
	}
	c := s.Current
	state := "open"
	if c.Closed {
		state = "closed"
	}
	p.row("session", "%s, %s to %s, %s, %s, %d events, %d page views, %d orders, %d paid", s.ID, at(c.Start), at(c.End), state, c.MaxStage, c.Events, c.PageViews, c.Orders, c.OrdersPaid)
	for _, v := range s.Versions {
		p.row("", "version %d of epoch %d: %d events, %s%s", v.Version, v.Stamp.Epoch, v.Events, v.MaxStage, map[bool]string{true: ", closed"}[v.Closed])
	}
	for _, w := range s.Withdrawn {
		path := make([]string, len(w.Path))
		for i, id := range w.Path {
			path[i] = id.String()
		}
		p.row("", "withdrew %s in epoch %d, merged into %s", w.ID, w.At.Stamp.Epoch, strings.Join(path, ", then "))
	}
}

func (p *printer) record(r *Record) {
	if !r.There {
		p.row("in kafka", "no")
		return
	}
	p.row("in kafka", "timestamp %s, key %q", at(r.Time), r.Key)
	for _, k := range slices.Sorted(maps.Keys(r.Headers)) {
		p.row("header", "%s = %q", k, r.Headers[k])
	}
	if r.ValueBase64 != "" {
		p.line("%s (base64: not UTF-8)", r.ValueBase64)
		return
	}
	p.line("%s", r.Value)
}

func (p *printer) order(o *Order) {
	p.row("order", "%s, tenant %s", o.ID, o.Tenant)
	p.row("state", "%s, refunds %s, version %d", o.Status, o.Refunded, o.Version)
	p.row("times", "created %s, paid %s, cancelled %s", maybe(o.Created), maybe(o.Paid), maybe(o.Cancelled))
	p.row("amounts", "payable %d minor units %s, paid %d, refunded %d minor units %s", o.Payable, o.Currency, o.PaidMinor, o.Back, o.PaidIn)
	p.row("visitor", "%s", o.Visitor)
	if o.Session == nil {
		p.row("session", "linked to none")
	}
	p.session(o.Session)
	for _, f := range o.Refunds {
		p.row("refund", "%s %s %s: %d %s, %s", at(f.Time), f.Type, f.ID, f.Minor, f.Currency, f.Reason)
	}
	p.line("")
	fmt.Fprintln(p.tw, "VERSION\tEVENT\tTIME\tID\tLATE\tRECORD\tEPOCH")
	for _, e := range o.Events {
		fmt.Fprintf(p.tw, "%d\t%s\t%s\t%s\t%s\t%s\t%d\n", e.OrderVersion, e.Type, at(e.Time), e.ID, e.Late, e.Record, e.Stamp.Epoch)
	}
	for _, e := range o.Clicks {
		fmt.Fprintf(p.tw, "click\t%s\t%s\t%s\t%s\t%s\t%d\n", e.Type, at(e.Time), e.ID, e.Late, e.Record, e.Stamp.Epoch)
	}
}

func (p *printer) visitor(v *Visitor) {
	p.line("%s: %d events, %d sessions", v, len(v.Events), len(v.Sessions))
	var in *uuid.UUID
	first := true
	for i := range v.Events {
		e := &v.Events[i]
		if first || (in == nil) != (e.Session == nil) || in != nil && *in != *e.Session {
			first, in = false, e.Session
			p.line("")
			p.heading(v, e.Session)
		}
		what := e.Type
		if e.OrderID != "" {
			what += " " + e.OrderID
		}
		late := ""
		if e.Late != "none" {
			late = e.Late
		}
		fmt.Fprintf(p.tw, "  %s\t%s\t%s\t%s\t%s\n", at(e.Time), what, e.ID, e.Record, late)
	}
	if v.Cut {
		p.line("there are more events: see --limit, --from and --to")
	}
}

func (p *printer) heading(v *Visitor, id *uuid.UUID) {
	if id == nil {
		p.line("in no session")
		return
	}
	for _, s := range v.Sessions {
		if s.ID == *id {
			c := s.Current
			p.line("session %s, %s to %s, %s, %d orders, %d paid%s", s.ID, at(c.Start), at(c.End), c.MaxStage, c.Orders, c.OrdersPaid, map[bool]string{true: ", closed"}[c.Closed])
		}
	}
}
