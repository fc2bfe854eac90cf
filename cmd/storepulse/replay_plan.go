package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/storepulse/storepulse/internal/deadletters"
)

// fateTexts say what happens to letters, in the order of a report.
var fateTexts = []struct {
	fate deadletters.Fate
	text string
}{
	{deadletters.Send, "send"},
	{deadletters.Fact, "leave out: the event is a fact"},
	{deadletters.Replayed, "leave out: replayed before"},
	{deadletters.Twin, "leave out: the same event as an earlier letter"},
	{deadletters.Refused, "leave out: would be refused again"},
	{deadletters.Unfixed, "leave out: the fix file cannot be applied"},
	{deadletters.Gone, "leave out: cut at 64 KiB, and gone from Kafka"},
	{deadletters.Waits, "leave out for now: the lane still remembers the event and would drop it"},
	{deadletters.Parts, "leave out: other rows of the record stand and would be doubled"},
	{deadletters.NoRecord, "leave out: a row that no record caused"},
}

func printPlan(w io.Writer, what string, c deadletters.Counts, fix *deadletters.Fix) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, what+":")
	for _, f := range fateTexts {
		n := c.Fates[f.fate]
		if n == 0 && f.fate != deadletters.Send {
			continue
		}
		fmt.Fprintf(tw, "%8d\t%s\n", n, f.text)
		switch f.fate {
		case deadletters.Replayed:
			if c.Found > 0 {
				fmt.Fprintf(tw, "\t%8d  by a run that was interrupted, now noted\n", c.Found)
			}
		case deadletters.Send:
			for class, n := range c.Classes {
				if n > 0 {
					fmt.Fprintf(tw, "\t%8d  %s\n", n, classTexts[class])
				}
			}
		case deadletters.Refused:
			for _, reason := range slices.Sorted(maps.Keys(c.Reasons)) {
				fmt.Fprintf(tw, "\t%8d  %s\n", c.Reasons[reason], reason)
			}
		}
	}
	for _, line := range c.Idle(fix) {
		fmt.Fprintf(tw, "the rule at line %d of the fix file matches no letter\n", line)
	}
	_ = tw.Flush()
}

var classTexts = [...]string{
	deadletters.InTime:  "in time: folded into their sessions",
	deadletters.Late:    "late: the lane rebuilds their sessions",
	deadletters.TooLate: "over 72 h late: stored and flagged, in no session",
	deadletters.Order:   "order events: applied however late",
}
