package schemas

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks one JSON text without building it. Positions are indexes into
// b; a negative position means that the grammar was broken, and errAt and
// errWant say where and what should have stood there. It accepts exactly what
// encoding/json.Valid accepts, except that nesting ends at maxDepth and that
// the text must be UTF-8 (checked by its user, from high).
type scanner struct {
	b       []byte
	high    uint64 // has a 0x80 bit set if a string may hold bytes beyond ASCII
	spaced  bool   // whitespace stands between tokens
	tooDeep bool   // nesting beyond maxDepth, not a fault of the grammar
	errAt   int
	errWant string
	arena   []byte // unescaped strings of the record at hand
	key     []byte // the last key, unescaped
}

// maxDepth bounds nesting: no event needs more, and recursion stays shallow.
const maxDepth = 32

// shape is the JSON type of a scanned value.
type shape uint8

const (
	absent shape = iota
	isString
	isNumber
	isTrue
	isFalse
	isObject
	isArray
	isNull
)

var shapeNames = [...]string{"absent", "a string", "a number", "true", "false", "an object", "an array", "null"}

// value is one scanned value: for a string its unescaped bytes, for anything
// else the bytes as they stand.
type value struct {
	b       []byte
	shape   shape
	escaped bool // had escape sequences
}

func (s *scanner) load(b []byte) {
	s.b, s.high, s.spaced, s.tooDeep, s.arena = b, 0, false, false, s.arena[:0]
}

func (s *scanner) fail(at int, want string) int {
	s.errAt, s.errWant = at, want
	return -1
}

// space skips whitespace.
func (s *scanner) space(i int) int {
	for i < len(s.b) && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\t' || s.b[i] == '\r') {
		s.spaced = true
		i++
	}
	return i
}

// open steps over the bracket at i. It gives the first element's place, or,
// done, the place after the closing bracket of an empty one.
func (s *scanner) open(i int, closing byte) (next int, done bool) {
	i++
	if i < len(s.b) && s.b[i] <= ' ' {
		i = s.space(i)
	}
	if i < len(s.b) && s.b[i] == closing {
		return i + 1, true
	}
	return i, false
}

// next steps from the end of an element to the next one, or, done, behind the
// closing bracket.
func (s *scanner) next(i int, closing byte) (next int, done bool) {
	if i < len(s.b) && s.b[i] <= ' ' {
		i = s.space(i)
	}
	if i >= len(s.b) {
		return s.fail(i, "a comma or the closing bracket, but the record ends"), true
	}
	switch s.b[i] {
	case ',':
		i++
		if i < len(s.b) && s.b[i] <= ' ' {
			i = s.space(i)
		}
		return i, false
	case closing:
		return i + 1, true
	}
	return s.fail(i, "a comma or the closing bracket"), true
}

// name scans a key and its colon; s.key is the unescaped key, the result is
// the place of the value.
func (s *scanner) name(i int) int {
	if i >= len(s.b) || s.b[i] != '"' {
		return s.fail(i, "a field name in double quotes")
	}
	end, escaped := s.quoted(i + 1)
	if end < 0 {
		return -1
	}
	s.key = s.b[i+1 : end]
	if escaped {
		s.key = s.unescape(s.key)
	}
	i = end + 1
	if i < len(s.b) && s.b[i] <= ' ' {
		i = s.space(i)
	}
	if i >= len(s.b) || s.b[i] != ':' {
		return s.fail(i, "a colon after the field name")
	}
	i++
	if i < len(s.b) && s.b[i] <= ' ' {
		i = s.space(i)
	}
	return i
}

// quoted finds the closing quote of the string whose first byte is at i, eight
// bytes at a time.
func (s *scanner) quoted(i int) (end int, escaped bool) {
	const lo, hi = 0x0101010101010101, 0x8080808080808080
	b, high := s.b, s.high
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			quote, slash := w^(0x22*lo), w^(0x5c*lo)
			// The lowest marked byte is always a true match; a borrow can only mark bytes above one.
			m := ((quote-lo)&^quote | (slash-lo)&^slash | (w-0x20*lo)&^w) & hi
			high |= w
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) >> 3
			break
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
			high |= uint64(b[i])
			i++
		}
		s.high = high
		if i >= len(b) {
			return s.fail(i, "a closing quote, but the record ends"), false
		}
		switch b[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			if i = s.escape(i); i < 0 {
				return -1, false
			}
		default:
			return s.fail(i, "no control character inside a string (write it as \\u00XX)"), false
		}
	}
}

// escape checks the escape sequence at i and gives the place after it.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.b) {
		return s.fail(i, "an escape sequence, but the record ends")
	}
	switch s.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if _, ok := hex4(s.b, i+2); ok {
			return i + 6
		}
	}
	return s.fail(i, `one of \" \\ \/ \b \f \n \r \t \uXXXX`)
}

// unescape writes the string's characters into the arena. Half of a surrogate
// pair alone becomes U+FFFD, as in encoding/json. A string is never longer
// than its escaped form, so the arena is sized once a record.
func (s *scanner) unescape(raw []byte) []byte {
	if cap(s.arena)-len(s.arena) < len(raw) {
		// Strings unescaped so far keep the old array alive as long as they need it.
		s.arena = make([]byte, 0, max(2*cap(s.arena), len(raw), 1024))
	}
	a := s.arena
	from := len(a)
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			a = append(a, c)
			i++
			continue
		}
		c = raw[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(raw, i)
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if i+1 < len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
					low, ok = hex4(raw, i+2)
				}
				pair := utf16.DecodeRune(r, low)
				if ok && pair != utf8.RuneError {
					i += 6
				}
				r = pair
			}
			a = utf8.AppendRune(a, r)
			continue
		}
		a = append(a, c)
	}
	s.arena = a
	return a[from:len(a):len(a)]
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c-'0' < 10:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number gives the place after the number at i.
func (s *scanner) number(i int) int {
	b := s.b
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && b[i]-'1' < 9:
		i = digits(b, i)
	default:
		return s.fail(i, "a digit")
	}
	if i < len(b) && b[i] == '.' {
		from := i + 1
		if i = digits(b, from); i == from {
			return s.fail(i, "a digit after the decimal point")
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		if i = digits(b, from); i == from {
			return s.fail(i, "a digit in the exponent")
		}
	}
	return i
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	return i
}

func (s *scanner) literal(i int, word string) int {
	if i+len(word) > len(s.b) || string(s.b[i:i+len(word)]) != word {
		return s.fail(i, "a JSON value")
	}
	return i + len(word)
}
