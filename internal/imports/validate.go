package imports

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/storepulse/storepulse/schemas"
)

// Verdict is what a validation found.
type Verdict struct {
	Lines    int64
	Accepted int64
	Refused  int64
	Types    map[string]int64 // accepted, by type
	Reasons  map[string]int64 // refused, by reason
}

// Validate judges a file of events, one JSON event a line ("-" is standard
// input; gzip is recognized), as the worker would, and writes a line for each
// refused one. The error is about reading, not about events: the caller
// decides what Refused > 0 means. At most limit refused lines are printed (0 = all).
func Validate(path string, v *schemas.Vocabulary, out io.Writer, limit int64) (*Verdict, error) {
	in, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return validate(in, v, out, limit)
}

func validate(in io.Reader, v *schemas.Vocabulary, out io.Writer, limit int64) (*Verdict, error) {
	lines := bufio.NewReaderSize(in, 1<<20)
	j := newJudge(v)
	w := &Verdict{Types: map[string]int64{}, Reasons: map[string]int64{}}
	p := &printer{w: out}
	var buffer []byte
	number := int64(0)
	for p.err == nil {
		text, err := readLine(lines, &buffer, maxRow)
		if err == io.EOF {
			return w, p.err
		}
		if err != nil {
			return w, fmt.Errorf("validate: after line %d: %w", number, err)
		}
		number++
		var x *schemas.Rejection
		kind := ""
		switch trimmed := bytes.TrimSpace(text); {
		case text == nil:
			x = &schemas.Rejection{Reason: schemas.ReasonTooLarge, Detail: fmt.Sprintf("the line is longer than %d MiB", maxRow>>20)}
		case len(trimmed) == 0:
			continue // a blank line between events is no event
		default:
			_, kind, x = j.either(trimmed)
		}
		w.Lines++
		if x == nil {
			w.Accepted++
			w.Types[kind]++
			continue
		}
		w.Refused++
		w.Reasons[x.Reason.String()]++
		if limit <= 0 || w.Refused <= limit {
			field := x.Field
			if field == "" {
				field = "(event)"
			}
			p.line("line %d: %s %s: %s", number, x.Reason, field, x.Detail)
		}
	}
	return w, p.err
}
