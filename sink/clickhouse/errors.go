package clickhouse

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/storepulse/storepulse/sink"
)

// class of an insert's outcome; it indexes classNames.
type class uint8

const (
	classUnknown class = iota
	classNotApplied
	classRefused
	classFenced
)

var classNames = [...]string{"unknown", "not_applied", "refused", "fenced"}

// classes say what a server's error code means for one insert of one block.
// A code that is not listed is unknown: that is always safe, it costs a claim.
//
// Not applied: the server says so before it writes, or a repeat under the same
// token is right even if one of several partitions was written (each partition's
// part is deduplicated on its own).
// Refused: thrown while the block is read, converted or checked; one block means
// that nothing was written before it.
var classes = map[int]class{
	// Damaged or cut on the way: the block was not complete.
	3: classNotApplied, 32: classNotApplied, 33: classNotApplied, 40: classNotApplied, 271: classNotApplied, 354: classNotApplied,
	// Wrong table, column, format, setting or query: an operator has to act, the rows are fine.
	10: classNotApplied, 16: classNotApplied, 36: classNotApplied, 46: classNotApplied, 47: classNotApplied, 60: classNotApplied,
	62: classNotApplied, 73: classNotApplied, 81: classNotApplied, 115: classNotApplied, 452: classNotApplied,
	// Who and whether: authentication, rights, read-only.
	164: classNotApplied, 192: classNotApplied, 193: classNotApplied, 194: classNotApplied, 242: classNotApplied,
	497: classNotApplied, 516: classNotApplied,
	// Too much at once: queries, memory, parts, space, threads, load; session in use; query id in use.
	201: classNotApplied, 202: classNotApplied, 216: classNotApplied, 241: classNotApplied, 243: classNotApplied, 252: classNotApplied,
	373: classNotApplied, 439: classNotApplied, 745: classNotApplied,
	// Quorum that is known to be missing before the write.
	285: classNotApplied, 286: classNotApplied,
	// What the data is: cannot parse, convert or hold the value; wrong sizes; partition value; constraint.
	6: classRefused, 26: classRefused, 27: classRefused, 38: classRefused, 41: classRefused, 53: classRefused, 69: classRefused, 70: classRefused,
	72: classRefused, 117: classRefused, 128: classRefused, 131: classRefused, 190: classRefused, 248: classRefused, 321: classRefused,
	349: classRefused, 376: classRefused, 407: classRefused, 469: classRefused, 691: classRefused,
	// 159 timeout, 160 too slow, 209 socket timeout, 210 network, 236 shutting down, 319 status of the
	// insert unknown, 394 killed, 999 keeper, 1000–1002 other exceptions: unknown.
}

// classify names the outcome of a coded exception.
func classify(code int, text string) class {
	// The table may have been written before its views were.
	if strings.Contains(text, "while pushing to view") {
		return classUnknown
	}
	if code == 469 && strings.Contains(text, "onstraint `fenced`") {
		return classFenced
	}
	return classes[code]
}

// outcome makes the error of a coded exception.
func outcome(table string, code int, text string) (class, error) {
	c := classify(code, text)
	text = firstLine(text)
	switch c {
	case classFenced:
		return c, fmt.Errorf("insert into %s: %w", table, sink.ErrFenced)
	case classRefused:
		return c, &sink.RefusedError{Table: table, Code: code, Text: text}
	case classNotApplied:
		return c, fmt.Errorf("insert into %s: %w: code %d: %s", table, sink.ErrNotApplied, code, text)
	}
	return c, fmt.Errorf("insert into %s: %w: code %d: %s", table, sink.ErrUnknown, code, text)
}

var exceptionText = regexp.MustCompile(`Code: (\d+)\. DB::`)

// codeOf finds the code in an exception's text, 0 if there is none.
func codeOf(text string) int {
	m := exceptionText.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	code, _ := strconv.Atoi(m[1])
	return code
}

// firstLine keeps the part of an exception that fits in a log line.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > 600 {
		s = s[:600] + "…"
	}
	return s
}
