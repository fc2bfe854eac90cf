package verify

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/storepulse/storepulse/schemas"
)

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	if err := r.PrintBalance(w); err != nil {
		return err
	}
	if err := r.printLog(w); err != nil {
		return err
	}
	for _, l := range r.Lanes {
		if l.InHand != nil {
			fmt.Fprintf(w, "\nlane %d: epoch %d is in hand and not judged: %s", l.Lane, l.InHand.Epoch, ranges(l.InHand.Ranges))
		}
	}
	fmt.Fprintln(w)
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return r.PrintVerdict(w)
}

// PrintBalance writes the table: a row a lane and topic, and the sums.
func (r *Report) PrintBalance(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "lane\tepochs\ttopic\tconsumed\t= facts\t+ duplicates\t+ dead letters\t+ tombstones\t+ lost\t+ absent\tof which late\trows in tables\t")
	line := func(lane, epochs string, b *Balance) {
		for t, name := range schemas.TopicNames {
			c := &b.Ledger
			rows := fmt.Sprint(b.Facts[t])
			if b.Compared[t] != c.Facts[t] {
				rows = fmt.Sprintf("%d of %d compared", b.Facts[t], b.Compared[t])
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t\n", lane, epochs, name, b.Consumed[t],
				c.Facts[t], c.Duplicates[t], c.Letters[t], c.Tombstones[t], c.Lost[t], c.Absent[t], c.Late[t], rows)
			lane, epochs = "", ""
		}
	}
	for _, l := range r.Lanes {
		span := "none"
		if l.Last > 0 {
			span = fmt.Sprintf("%d-%d", l.First, l.Last)
		}
		line(fmt.Sprint(l.Lane), span, &l.Balance)
	}
	if len(r.Lanes) > 1 {
		b := r.Total()
		line("all", "", &b)
	}
	return tw.Flush()
}

func (r *Report) printLog(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "\nlane\ttopic\tlog start\tledger\tlog end\tlag\tcommitted\t\n"
	for _, l := range r.Lanes {
		if l.Log == nil {
			continue
		}
		fmt.Fprint(tw, head)
		head = ""
		for t, name := range schemas.TopicNames {
			committed := "-"
			if l.Log.Committed[t] >= 0 {
				committed = fmt.Sprint(l.Log.Committed[t])
			}
			lane := ""
			if t == 0 {
				lane = fmt.Sprint(l.Lane)
			}
			fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t\n", lane, name, l.Log.Start[t], l.Log.Next[t], l.Log.End[t], l.Log.End[t]-l.Log.Next[t], committed)
		}
	}
	return tw.Flush()
}

// PrintVerdict names the epochs that differ, or says that none does.
func (r *Report) PrintVerdict(w io.Writer) error {
	var done, void, unsaid, unread uint64
	var records int64
	var v Visitors
	for _, l := range r.Lanes {
		done, void, unsaid, unread, records = done+l.Done, void+l.Void, unsaid+l.Unsaid, unread+l.Unread, records+l.Records
		v.Agree, v.Open, v.Pending, v.Skipped, v.Differ = v.Agree+l.Visitors.Agree, v.Open+l.Visitors.Open, v.Pending+l.Visitors.Pending, v.Skipped+l.Visitors.Skipped, v.Differ+l.Visitors.Differ
	}
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	if v != (Visitors{}) {
		p("sessions of %d visitors hold their events; %d visitors are in the middle of one, %d wait for late events to be rebuilt, %d could not be compared, %d differ\n", v.Agree, v.Open, v.Pending, v.Skipped, v.Differ)
	}
	if records > 0 || unread > 0 {
		p("%d records read again; %d epochs are no longer in Kafka\n", records, unread)
	}
	if void > 0 {
		p("%d plans are void: written by owners that lost their lane, never carried out\n", void)
	}
	if unsaid > 0 {
		p("%d epochs were not compared: the row that says what came of them is missing\n", unsaid)
	}
	if r.Agrees() {
		p("\nnothing lost, nothing twice: %d lanes, %d epochs agree\n", len(r.Lanes), done)
		return nil
	}
	type place struct {
		lane  uint32
		epoch uint64
	}
	var last *place
	for _, f := range r.Findings {
		if at := (place{f.Lane, f.Epoch}); last == nil || *last != at {
			last = &at
			p("\nlane %d", f.Lane)
			if f.Epoch > 0 {
				p(" epoch %d", f.Epoch)
			}
			if f.Plan != "" {
				p(" plan %s", f.Plan)
			}
			if f.Ranges != nil {
				p(" %s", ranges(f.Ranges))
			}
			p("\n")
		}
		what := f.Check
		if f.Table != "" {
			what += ", " + f.Table
		}
		p("  %s: %s\n      %s\n", what, f.What, f.Remedy)
	}
	if r.More > 0 {
		p("and %d more\n", r.More)
	}
	p("\nKafka, ledger and tables DISAGREE: %d findings\n", len(r.Findings)+r.More)
	return nil
}

func ranges(m map[string]Range) string {
	s := ""
	for i, name := range schemas.TopicNames {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s %d to %d", name, m[name].Start, m[name].End)
	}
	return s
}
