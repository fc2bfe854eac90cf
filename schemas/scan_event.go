package schemas

import (
	"encoding/binary"
	"unicode/utf8"
)

// event is one scanned record: its known fields, its items, and where the rest
// stands. Values alias the record or the scanner's arena.
type event struct {
	scanner
	fields    [numFields]value
	items     []item
	itemCount int    // also counts the items beyond the limit, which are not kept
	itemsAt   span   // the items array
	extra     []span // unknown top-level fields, each `"name": value`
	hidden    []span // values that must not be stored, in order
	pii       int    // where the name of the first denied field stands, -1 if none
	scanned   bool   // the record is valid JSON and hidden is complete
	trouble          // the first thing that is wrong with a field
	// Producers write their fields in a fixed order: what followed a field last
	// time on the topic is tried first. It saves a lookup, never changes a result:
	// only fields that the topic has are tried, because what is unknown is judged by its
	// name. The last entries are for the field that comes first.
	after      [NumTopics][numFields + 1]field
	afterItem  [numItemFields + 1]itemField
	fieldNames [numFields][]byte
	itemNames  [numItemFields][]byte
	fieldsBy   *names
	itemsBy    *names
	deny       denyList
}

type item [numItemFields]value

const (
	maxRecord = 256 << 10
	maxItems  = 200
)

// scan walks the record once. It reports false if the record is no JSON
// object; errAt and errWant say why. Fields of the wrong type are noted as
// trouble, and the walk goes on: the whole text must be right before any of it
// is judged.
func (e *event) scan(b []byte, t Topic) bool {
	e.load(b)
	if t == Clickstream {
		clear(e.fields[:fOrderVersion])
	} else {
		clear(e.fields[:])
	}
	e.itemCount, e.extra, e.hidden, e.pii = 0, e.extra[:0], e.hidden[:0], -1
	e.trouble.reset()
	i := e.space(0)
	if i == len(b) {
		e.fail(i, "a JSON object, but the record is blank")
		return false
	}
	if b[i] == '{' {
		i = e.topLevel(i, t)
	} else {
		shape := absent
		if i, shape = e.any(i, 0); i >= 0 {
			e.trouble.note(ReasonBadType, "", "the record is ", shapeNames[shape], "; want a JSON object")
		}
	}
	if i < 0 {
		return false
	}
	if i = e.space(i); i != len(b) {
		e.fail(i, "nothing after the JSON object")
		return false
	}
	return true
}

func (e *event) topLevel(i int, t Topic) int {
	i, done := e.open(i, '}')
	last, after := numFields, &e.after[t]
	for !done {
		at := i
		f, own := after[last], true
		if i = e.guessed(at, e.fieldNames[f]); i < 0 {
			if i = e.name(at); i < 0 {
				return -1
			}
			f = field(e.fieldsBy.find(e.key))
			if own = f < numFields && fieldSpecs[f].topics>>t&1 != 0; own {
				after[last] = f
			}
		}
		from := i
		if !own {
			if i = e.unknown(i, at, 1); i < 0 {
				return -1
			}
			e.extra = append(e.extra, span{at, i})
		} else {
			last = f
			sp := &fieldSpecs[f]
			v := &e.fields[f]
			outer := len(e.hidden)
			if v.shape != absent {
				e.trouble.note(ReasonBadValue, sp.name, "given twice")
				v = &value{}
			}
			if f == fItems && i < len(e.b) && e.b[i] == '[' {
				i = e.itemList(i)
				e.itemsAt = span{from, i}
				v.shape = isArray
			} else if i = e.value(i, v, 1); i >= 0 && !sp.fits(v) {
				e.trouble.misfit(sp, "", v)
			}
			if i < 0 {
				return -1
			}
			if f == fUserAgent || f == fIP {
				e.hidden = append(e.hidden[:outer], span{from, i})
			} else if sp.keep && v.shape != isNull {
				e.extra = append(e.extra, span{at, i})
			}
		}
		if i+1 < len(e.b) && e.b[i] == ',' && e.b[i+1] == '"' {
			i++ // the usual case of next
			continue
		}
		i, done = e.next(i, '}')
	}
	return i
}

// itemList scans the array at i. Items beyond the limit are only counted.
func (e *event) itemList(i int) int {
	i, done := e.open(i, ']')
	for !done {
		n := e.itemCount
		e.itemCount++
		if n < maxItems && i < len(e.b) && e.b[i] == '{' {
			if n == len(e.items) {
				e.items = append(e.items, item{})
			}
			i = e.item(i, n)
		} else {
			shape := absent
			from := i
			if i, shape = e.any(i, 2); i >= 0 && e.b[from] != '{' {
				e.trouble.note(ReasonBadType, e.trouble.itemPath(n, ""), "is ", shapeNames[shape], "; want an object")
				if n < maxItems {
					if n == len(e.items) {
						e.items = append(e.items, item{})
					}
					clear(e.items[n][:])
				}
			}
		}
		if i < 0 {
			return -1
		}
		i, done = e.next(i, ']')
	}
	return i
}

func (e *event) item(i, n int) int {
	it := &e.items[n]
	clear(it[:])
	i, done := e.open(i, '}')
	last := numItemFields
	for !done {
		at := i
		f := int(e.afterItem[last])
		if i = e.guessed(at, e.itemNames[f]); i < 0 {
			if i = e.name(at); i < 0 {
				return -1
			}
			if f = e.itemsBy.find(e.key); f >= 0 {
				e.afterItem[last] = itemField(f)
			}
		}
		if f < 0 {
			i = e.unknown(i, at, 3)
		} else {
			last = itemField(f)
			sp := &itemSpecs[f]
			v := &it[f]
			if v.shape != absent {
				e.trouble.note(ReasonBadValue, e.trouble.itemPath(n, sp.name), "given twice")
				v = &value{}
			}
			if i = e.value(i, v, 3); i >= 0 && !sp.fits(v) {
				e.trouble.misfit(sp, e.trouble.itemPath(n, sp.name), v)
			}
		}
		if i < 0 {
			return -1
		}
		i, done = e.next(i, '}')
	}
	return i
}

// guessed steps over the name and its colon if it stands at i without
// whitespace or escapes; otherwise it gives -1.
func (e *event) guessed(i int, name []byte) int {
	end := i + len(name) + 3
	if end >= len(e.b) || e.b[i] != '"' || e.b[end-2] != '"' || e.b[end-1] != ':' || e.b[end] <= ' ' || !same(e.b[i+1:end-2], name) {
		return -1
	}
	return end
}

// same compares two words of one length. Most names are shorter than 17 bytes:
// two overlapping loads compare them without a call.
func same(a, b []byte) bool {
	n := len(a)
	switch {
	case n != len(b) || n > 16 || n < 4:
		return string(a) == string(b)
	case n >= 8:
		return binary.LittleEndian.Uint64(a) == binary.LittleEndian.Uint64(b) &&
			binary.LittleEndian.Uint64(a[n-8:]) == binary.LittleEndian.Uint64(b[n-8:])
	}
	return binary.LittleEndian.Uint32(a) == binary.LittleEndian.Uint32(b) &&
		binary.LittleEndian.Uint32(a[n-4:]) == binary.LittleEndian.Uint32(b[n-4:])
}

// fits says whether the value has a shape and a length that the field allows.
func (sp *spec) fits(v *value) bool {
	if sp.shapes>>v.shape&1 == 0 {
		return v.shape == isNull
	}
	return v.shape != isString || (len(v.b) <= int(sp.max) || utf8.RuneCountInString(view(v.b)) <= int(sp.max)) && !(sp.id && v.escaped && hasControl(v.b))
}

// hasControl finds control characters; only escape sequences can bring them in.
func hasControl(b []byte) bool {
	for _, c := range b {
		if c < ' ' {
			return true
		}
	}
	return false
}

// value scans any value into v; depth counts the brackets around it.
func (e *event) value(i int, v *value, depth int) int {
	if i < len(e.b) && e.b[i] == '"' {
		end, escaped := e.quoted(i + 1)
		if end < 0 {
			return -1
		}
		v.shape, v.escaped, v.b = isString, escaped, e.b[i+1:end]
		if escaped {
			v.b = e.unescape(v.b)
		}
		return end + 1
	}
	from := i
	i, v.shape = e.any(i, depth)
	if i >= 0 {
		v.b = e.b[from:i]
	}
	return i
}

// any walks over one value of any shape; depth counts the brackets around it.
func (e *event) any(i, depth int) (int, shape) {
	if i >= len(e.b) {
		return e.fail(i, "a JSON value, but the record ends"), absent
	}
	switch c := e.b[i]; {
	case c == '"':
		end, _ := e.quoted(i + 1)
		if end < 0 {
			return -1, absent
		}
		return end + 1, isString
	case c == '-' || c-'0' < 10:
		return e.number(i), isNumber
	case c == 't':
		return e.literal(i, "true"), isTrue
	case c == 'f':
		return e.literal(i, "false"), isFalse
	case c == 'n':
		return e.literal(i, "null"), isNull
	case depth >= maxDepth && (c == '{' || c == '['):
		e.tooDeep = true
		return e.fail(i, "at most 32 levels of nesting"), absent
	case c == '{':
		i, done := e.open(i, '}')
		for !done {
			at := i
			if i = e.name(i); i < 0 {
				return -1, absent
			}
			if i = e.unknown(i, at, depth+1); i < 0 {
				return -1, absent
			}
			i, done = e.next(i, '}')
		}
		return i, isObject
	case c == '[':
		i, done := e.open(i, ']')
		for !done {
			if i, _ = e.any(i, depth+1); i < 0 {
				return -1, absent
			}
			i, done = e.next(i, ']')
		}
		return i, isArray
	}
	return e.fail(i, "a JSON value"), absent
}

// unknown walks over the value of a field that has no column; its name stands
// at nameAt and in key. A denied name's value is hidden.
func (e *event) unknown(i, nameAt, depth int) int {
	verdict := e.deny.judge(e.key)
	if verdict == allowed {
		i, _ = e.any(i, depth)
		return i
	}
	from, outer := i, len(e.hidden)
	i, shape := e.any(i, depth)
	if i < 0 || shape == isNull {
		return i
	}
	e.hidden = append(e.hidden[:outer], span{from, i}) // covers what was hidden inside it
	if verdict == denied && e.pii < 0 {
		e.pii = nameAt
	}
	return i
}
