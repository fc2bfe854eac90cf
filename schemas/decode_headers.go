package schemas

import (
	"encoding/binary"
	"strings"
)

// plainMode looks at the undecoded headers of a record: the two CloudEvents
// modes are announced there. This is where they will branch off.
func (d *Decoder) plainMode(headers []byte) bool {
	n, k := binary.Varint(headers)
	rest := headers[max(k, 0):]
	for ; k > 0 && n > 0; n-- {
		var key, val []byte
		var ok bool
		if key, rest, ok = headerPart(rest); !ok {
			break
		}
		if val, rest, ok = headerPart(rest); !ok {
			break
		}
		if len(key) > 3 && equalFold(key[:3], "ce_") {
			d.note(ReasonUnsupportedMode, d.headerPath(key), "CloudEvents in binary mode (ce_ headers) are not supported yet; want plain JSON with the same names at top level")
			return false
		}
		const structured = "application/cloudevents"
		if equalFold(key, "content-type") && len(val) >= len(structured) && equalFold(val[:len(structured)], structured) {
			d.note(ReasonUnsupportedMode, "headers.content-type", "CloudEvents in structured mode are not supported yet; want plain JSON with the same names at top level")
			return false
		}
	}
	if k <= 0 || n != 0 {
		d.note(ReasonBadValue, "headers", "the record's headers are cut off")
		return false
	}
	return true
}

// headerPart reads a byte string with its length in front; length -1 is null.
func headerPart(b []byte) (part, rest []byte, ok bool) {
	n, k := binary.Varint(b)
	if k <= 0 || n > int64(len(b)-k) || n < -1 {
		return nil, nil, false
	}
	n = max(n, 0)
	return b[k : k+int(n)], b[k+int(n):], true
}

func equalFold(b []byte, word string) bool { return strings.EqualFold(view(b), word) }

func (t *trouble) headerPath(key []byte) string {
	t.path = append(append(t.path[:0], "headers."...), key[:min(len(key), maxID)]...)
	return view(t.path)
}
