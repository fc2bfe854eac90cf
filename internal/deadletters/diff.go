package deadletters

import (
	"fmt"
	"io"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// Diff writes what would be sent for a letter: lines that go, lines that come.
func (v *Verdict) Diff(w io.Writer, topics [schemas.NumTopics]string) error {
	fmt.Fprintf(w, "%s  %s", v.Letter.Position, v.Letter.Reason)
	if v.Letter.Field != "" {
		fmt.Fprintf(w, "  %s", v.Letter.Field)
	}
	if v.Fate != Send {
		_, err := fmt.Fprintf(w, "\n  not sent (%s): %s\n", v.Fate, v.Why)
		return err
	}
	fmt.Fprintf(w, "\n  send %s %s to %s/%d, %s\n", v.Source, v.ID, topics[v.Topic], v.Partition, v.Class)
	if string(v.Key) != string(v.Letter.Key) {
		fmt.Fprintf(w, "  - key %q\n  + key %q\n", v.Letter.Key, v.Key)
	}
	before, after := linesOf(v.Before), linesOf(v.Value)
	for _, line := range changed(before, after) {
		if _, err := fmt.Fprintln(w, "  "+brief(line)); err != nil {
			return err
		}
	}
	return nil
}

// linesOf gives the record's lines without the commas at their ends: a field
// that comes behind another changes nothing in that one.
func linesOf(record []byte) []string {
	list := strings.Split(pretty(record), "\n")
	for i := range list {
		list[i] = strings.TrimSuffix(list[i], ",")
	}
	return list
}

// maxDiffLines bounds the table of the comparison; longer records are shown
// by their number of lines.
const maxDiffLines = 2000

// changed lists the lines that differ, by their longest common subsequence.
func changed(a, b []string) []string {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) > maxDiffLines || len(b) > maxDiffLines {
		return []string{fmt.Sprintf("- %d lines", len(a)), fmt.Sprintf("+ %d lines", len(b))}
	}
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}

// brief cuts a line that nobody would read to its end.
func brief(line string) string {
	const most = 200
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + fmt.Sprintf("… (%d characters)", len(r))
	}
	return line
}
