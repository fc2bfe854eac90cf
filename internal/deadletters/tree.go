package deadletters

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// node is a JSON value that writes itself as it was read: scalars keep their
// bytes, members their order, names their spelling, so that a fix changes
// nothing but what it says. Only white space between values is not kept.
type node struct {
	raw      []byte // scalar as written
	members  []member
	elements []*node
	kind     byte // '{', '[' or 0 for a scalar
}

type member struct {
	rawName []byte // with its quotes
	name    string
	value   *node
}

// maxDepth is above what a record may have, far below what a stack bears.
const maxDepth = 64

var errNotObject = errors.New("the record is not a JSON object")

// parseTree reads one JSON object.
func parseTree(b []byte) (*node, error) {
	if !json.Valid(b) || !utf8.Valid(b) {
		return nil, errors.New("the record is not valid JSON in UTF-8: a fix file cannot mend that")
	}
	r := &treeReader{b: b}
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if n.kind != '{' {
		return nil, errNotObject
	}
	return n, nil
}

// treeReader walks bytes that are known to be valid JSON.
type treeReader struct {
	b  []byte
	at int
}

func (r *treeReader) space() {
	for r.at < len(r.b) && (r.b[r.at] == ' ' || r.b[r.at] == '\t' || r.b[r.at] == '\n' || r.b[r.at] == '\r') {
		r.at++
	}
}

// next skips white space and gives the byte there.
func (r *treeReader) next() byte {
	r.space()
	return r.b[r.at]
}

func (r *treeReader) value(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the record is nested deeper than %d levels", maxDepth)
	}
	switch c := r.next(); c {
	case '{':
		n := &node{kind: '{'}
		for r.at++; r.next() != '}'; {
			raw := r.scalar()
			m := member{rawName: raw, name: unquote(raw)}
			r.next() // the colon
			r.at++
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			m.value = v
			n.members = append(n.members, m)
			if r.next() == ',' {
				r.at++
			}
		}
		r.at++
		return n, nil
	case '[':
		n := &node{kind: '['}
		for r.at++; r.next() != ']'; {
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.elements = append(n.elements, v)
			if r.next() == ',' {
				r.at++
			}
		}
		r.at++
		return n, nil
	}
	return &node{raw: r.scalar()}, nil
}

// scalar takes a string, a number or a word.
func (r *treeReader) scalar() []byte {
	r.space()
	from := r.at
	if r.b[r.at] == '"' {
		for r.at++; r.b[r.at] != '"'; r.at++ {
			if r.b[r.at] == '\\' {
				r.at++
			}
		}
		r.at++
		return r.b[from:r.at]
	}
	for r.at < len(r.b) && !bytes.ContainsRune([]byte(" \t\r\n,]}"), rune(r.b[r.at])) {
		r.at++
	}
	return r.b[from:r.at]
}

func unquote(raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// text is what a map of values compares: a string's text, else the value as
// written. Objects and arrays have none.
func (n *node) text() (string, bool) {
	switch {
	case n.kind != 0:
		return "", false
	case n.raw[0] == '"':
		return unquote(n.raw), true
	}
	return string(n.raw), true
}

func (n *node) null() bool { return n.kind == 0 && string(n.raw) == "null" }

// member finds a name's place; -1 if it is absent.
func (n *node) member(name string) int {
	for i := range n.members {
		if n.members[i].name == name {
			return i
		}
	}
	return -1
}

// write appends the value without white space.
func (n *node) write(dst []byte) []byte {
	switch n.kind {
	case '{':
		dst = append(dst, '{')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(dst, m.rawName...), ':')
			dst = m.value.write(dst)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		for i, e := range n.elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.write(dst)
		}
		return append(dst, ']')
	}
	return append(dst, n.raw...)
}

// pretty indents a record that is JSON and gives others as they are.
func pretty(value []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, value, "", "  ") != nil {
		return strings.ToValidUTF8(string(value), "\uFFFD")
	}
	return b.String()
}
