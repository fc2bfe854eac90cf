package schemas

import (
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// trouble is the first thing found wrong with a record, in buffers that are
// reused. What comes later is mostly a consequence and would hide the cause.
type trouble struct {
	reason Reason
	field  []byte // JSON path
	detail []byte // what is wrong and what would be right
	path   []byte // scratch of itemPath
	digits []byte // scratch of num
}

func (t *trouble) reset() {
	t.reason, t.field, t.detail, t.digits = ReasonNone, t.field[:0], t.detail[:0], t.digits[:0]
}

// num is a number as text for a message; it is valid until the next record.
func (t *trouble) num(n uint64) string {
	from := len(t.digits)
	t.digits = strconv.AppendUint(t.digits, n, 10)
	return view(t.digits[from:])
}

// note keeps the trouble if it is the first.
func (t *trouble) note(reason Reason, field string, detail ...string) {
	if t.reason == ReasonNone {
		t.override(reason, field, detail...)
	}
}

// override replaces what was noted: for what makes the rest of the record
// meaningless, such as an unknown type.
func (t *trouble) override(reason Reason, field string, detail ...string) {
	t.reason = reason
	t.field = append(t.field[:0], field...)
	t.detail = t.detail[:0]
	for _, d := range detail {
		t.detail = append(t.detail, d...)
	}
}

// itemPath names a field of an item: items[3].price. It is valid until the next call.
func (t *trouble) itemPath(n int, name string) string {
	t.path = append(t.path[:0], "items["...)
	t.path = strconv.AppendInt(t.path, int64(n), 10)
	t.path = append(t.path, ']')
	if name != "" {
		t.path = append(append(t.path, '.'), name...)
	}
	return view(t.path)
}

// misfit notes a value whose type or length is wrong.
func (t *trouble) misfit(sp *spec, path string, v *value) {
	if path == "" {
		path = sp.name
	}
	switch {
	case sp.shapes>>v.shape&1 == 0:
		t.note(ReasonBadType, path, "is ", shapeNames[v.shape], "; want ", wanted(sp.shapes))
	case utf8.RuneCountInString(view(v.b)) > int(sp.max):
		t.note(ReasonBadValue, path, "has ", t.num(uint64(utf8.RuneCountInString(view(v.b)))), " characters; want at most ", t.num(uint64(sp.max)))
	default:
		t.note(ReasonBadValue, path, "has control characters; want none in an identity")
	}
}

func wanted(shapes uint8) string {
	switch shapes {
	case shapeText:
		return "a string"
	case shapeNumber:
		return "a number"
	case shapeBool:
		return "true or false"
	case shapeArray:
		return "an array"
	}
	return "a string or a number"
}

// view is the bytes as a string without a copy; it is valid as long as they stay.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// brief is the beginning of a value for a message.
func brief(b []byte) string {
	const most = 48
	if len(b) > most {
		b = b[:most]
		for len(b) > 0 && !utf8.RuneStart(b[len(b)-1]) {
			b = b[:len(b)-1]
		}
		if len(b) > 0 && b[len(b)-1] >= utf8.RuneSelf {
			b = b[:len(b)-1]
		}
	}
	return view(b)
}
