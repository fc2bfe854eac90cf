package schemas

import (
	"bytes"
	"encoding/binary"
)

// maxKept is how much of a record a dead letter keeps.
const maxKept = 64 << 10

// letter sets the record aside with what is wrong with it. No personal data
// stays in it, whatever the reason: values behind denied names are blanked.
func (d *Decoder) letter(t Topic, r *Record, l *Letters) {
	l.Topic.Append(uint8(t))
	l.Offset.Append(r.Offset)
	l.Reason.Append(uint8(d.reason))
	l.Field.Append(d.field)
	l.Detail.Append(d.detail)
	l.EventID.Append(d.readable(fID))
	l.Type.Append(d.readable(fType))
	received := storable(r.Timestamp)
	l.Received.Append(received)
	l.Day.Append(uint16(received / 86_400_000))
	l.Key.Append(r.Key)
	if d.scanned {
		d.scratch = blank(d.scratch[:0], r.Value, span{0, len(r.Value)}, d.hidden)
	} else {
		d.scratch = d.deny.redact(d.scratch[:0], r.Value[:min(len(r.Value), maxKept)])
	}
	l.Value.Append(d.scratch[:min(len(d.scratch), maxKept)])
	l.ValueBytes.Append(uint32(min(len(r.Value), 1<<32-1)))
	l.RefusedTable.Append(nil)
	l.RefusedRow.Append(0)
}

// readable is an identifying string, if the record could be read that far.
func (d *Decoder) readable(f field) []byte {
	v := &d.fields[f]
	if v.shape != isString {
		return nil
	}
	return v.b[:min(len(v.b), 4*maxID)]
}

// personal notes the first denied field, by its path in the record.
func (d *Decoder) personal() {
	d.override(ReasonPII, "", "the name is on the list of personal data; its value was removed. Send a keyed hash under another name, or nothing")
	d.field = pathTo(d.field[:0], d.b, d.pii)
}

// pathTo finds the path of the field whose name stands at the given place of a
// valid JSON object: device.owner[1].phone. It walks the text with a stack,
// because the decoder itself does not keep one.
func pathTo(path, b []byte, at int) []byte {
	s := scanner{b: b}
	var stack [maxDepth]struct {
		base, index int // length of the path outside, element number or -1 in an object
	}
	depth := -1
	for i := 0; i <= at; {
		switch c := b[i]; c {
		case '{', '[':
			depth++
			stack[depth].base, stack[depth].index = len(path), -1
			if c == '[' {
				stack[depth].index = 0
				path = append(path, "[0]"...)
			}
			i++
		case '}', ']':
			path = path[:stack[depth].base]
			depth--
			i++
		case ',':
			if top := &stack[depth]; top.index >= 0 {
				top.index++
				path = append(path[:top.base], '[')
				path = appendInt(path, top.index)
				path = append(path, ']')
			}
			i++
		case '"':
			end, escaped := s.quoted(i + 1)
			name := b[i+1 : end]
			if escaped {
				name = s.unescape(name)
			}
			next := s.space(end + 1)
			if next < len(b) && b[next] == ':' {
				path = path[:stack[depth].base]
				if len(path) > 0 {
					path = append(path, '.')
				}
				path = append(path, name...)
			}
			if i == at {
				return path
			}
			i = end + 1
		default:
			i++
		}
	}
	return path
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

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
		if len(key) > 3 && bytes.EqualFold(key[:3], []byte("ce_")) {
			d.note(ReasonUnsupportedMode, "headers."+string(key), "CloudEvents in binary mode (ce_ headers) are not supported yet; want plain JSON with the same names at top level")
			return false
		}
		if structured := []byte("application/cloudevents"); bytes.EqualFold(key, []byte("content-type")) && len(val) >= len(structured) && bytes.EqualFold(val[:len(structured)], structured) {
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
