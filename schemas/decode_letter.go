package schemas

import "strconv"

// maxKept is how much of a record a dead letter keeps.
const maxKept = 64 << 10

// letter sets the record aside with what is wrong with it. No personal data
// stays in it, whatever the reason: values behind denied names are blanked.
func (d *Decoder) letter(t Topic, r *Record, l *Letters) {
	l.Topic.Append(uint8(t))
	l.Offset.Append(r.Offset)
	l.Reason.Append(uint8(d.reason))
	l.Field.Append(d.field[:min(len(d.field), 1024)]) // names are the producer's and may be of any length
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
				path = strconv.AppendInt(path, int64(top.index), 10)
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
