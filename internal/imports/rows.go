package imports

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxRow bounds one row: an unclosed quote would otherwise read the rest of
// the file into memory.
const maxRow = 4 << 20

// rowError is a fault of one row: it is counted, and reading goes on.
type rowError struct{ reason string }

func (e *rowError) Error() string { return e.reason }

// rowReader gives the mapped columns of one row after the other; io.EOF ends
// the file, a *rowError sets one row aside.
type rowReader interface {
	next(r *row) error
}

func newRowReader(in io.Reader, m *Mapping) (rowReader, error) {
	if m.Format == "jsonl" {
		return &lineRows{in: bufio.NewReaderSize(in, 1<<20), columns: m.columns}, nil
	}
	return newTableRows(in, m)
}

// tableRows reads CSV and TSV.
type tableRows struct {
	csv    *csv.Reader
	bound  *boundedReader
	index  []int // column of the file, per column of the mapping
	fields int
}

func newTableRows(in io.Reader, m *Mapping) (*tableRows, error) {
	t := &tableRows{bound: &boundedReader{in: bufio.NewReaderSize(in, 1<<20), left: maxRow}}
	skipMark(t.bound.in)
	t.csv = csv.NewReader(t.bound)
	t.csv.ReuseRecord, t.csv.FieldsPerRecord, t.csv.LazyQuotes = true, -1, m.Lazy
	if m.Format == "tsv" {
		t.csv.Comma = '\t'
	}
	names := m.Columns
	if len(names) == 0 {
		header, err := t.csv.Read()
		if err != nil {
			return nil, fmt.Errorf("read the header line: %w", err)
		}
		names = header
	}
	t.fields = len(names)
	for _, column := range m.columns {
		i := indexOf(names, column)
		if i < 0 {
			return nil, fmt.Errorf("the mapping reads column %q, the file has %s", column, strings.Join(clipList(names), ", "))
		}
		t.index = append(t.index, i)
	}
	return t, nil
}

func clipList(names []string) []string {
	list := make([]string, 0, len(names))
	for i, n := range names {
		if i == 40 {
			return append(list, "…")
		}
		list = append(list, clip(n))
	}
	return list
}

// skipMark drops the byte order mark that spreadsheets write.
func skipMark(in *bufio.Reader) {
	if b, _ := in.Peek(3); bytes.Equal(b, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
}

func (t *tableRows) next(r *row) error {
	t.bound.left = maxRow
	record, err := t.csv.Read()
	var bad *csv.ParseError
	switch {
	case errors.As(err, &bad):
		r.line = int64(bad.StartLine)
		if errors.Is(err, errLongRow) {
			return fmt.Errorf("line %d: %w", bad.StartLine, errLongRow)
		}
		return &rowError{"not readable as " + map[rune]string{',': "csv", '\t': "tsv"}[t.csv.Comma] + ": " + bad.Err.Error()}
	case err != nil:
		return err
	}
	line, _ := t.csv.FieldPos(0)
	r.line = int64(line)
	if len(record) != t.fields {
		return &rowError{fmt.Sprintf("%d columns, want %d", len(record), t.fields)}
	}
	r.values = r.values[:0]
	for _, i := range t.index {
		r.values = append(r.values, record[i])
	}
	return nil
}

var errLongRow = fmt.Errorf("a row of more than %d MiB: a quote that is never closed? (input.lazy_quotes: true takes quotes as text)", maxRow>>20)

// boundedReader fails when a row has taken more than left bytes.
type boundedReader struct {
	in   *bufio.Reader
	left int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongRow
	}
	// Small reads keep the count close to the row at hand.
	n, err := b.in.Read(p[:min(len(p), 64<<10)])
	b.left -= n
	return n, err
}

// lineRows reads one JSON object per line. A column is a key of the object, or
// a path such as user.id into objects in it.
type lineRows struct {
	in      *bufio.Reader
	columns []string
	line    int64
	buffer  []byte
}

func (l *lineRows) next(r *row) error {
	for {
		text, err := readLine(l.in, &l.buffer, maxRow)
		if err != nil {
			return err
		}
		l.line++
		r.line = l.line
		if text == nil {
			return &rowError{fmt.Sprintf("longer than %d MiB", maxRow>>20)}
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			return l.object(text, r)
		}
	}
}

func (l *lineRows) object(text []byte, r *row) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // ids and money keep their digits
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return &rowError{"no JSON object: " + err.Error()}
	}
	if d.More() {
		return &rowError{"more than one JSON value in the line"}
	}
	r.values = r.values[:0]
	for _, column := range l.columns {
		r.values = append(r.values, lookUp(object, column))
	}
	return nil
}

func lookUp(object map[string]any, path string) string {
	if v, ok := object[path]; ok {
		return scalar(v)
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return ""
	}
	inner, _ := object[head].(map[string]any)
	if inner == nil {
		return ""
	}
	return lookUp(inner, rest)
}

func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	}
	return ""
}

// readLine gives the next line without its end; nil for a line over the limit,
// which is skipped. The last line may lack its end.
func readLine(in *bufio.Reader, buffer *[]byte, limit int) ([]byte, error) {
	*buffer = (*buffer)[:0]
	long := false
	for {
		piece, err := in.ReadSlice('\n')
		if !long {
			*buffer = append(*buffer, piece...)
			if len(*buffer) > limit {
				long, *buffer = true, (*buffer)[:0]
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(*buffer) > 0 || long):
		case err != nil:
			return nil, err
		}
		if long {
			return nil, nil
		}
		return *buffer, nil
	}
}
