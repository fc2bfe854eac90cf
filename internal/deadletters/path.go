package deadletters

import (
	"fmt"
	"strconv"
	"strings"
)

// step is one part of a path: a name, an element, or every element.
type step struct {
	name  string
	index int // of an element; every = -1
	array bool
}

const every = -1

// path leads to a field: currency, device.os, items[0].price, items[*].price.
type path []step

func parsePath(text string) (path, error) {
	var p path
	for rest := text; ; {
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		name := rest[:end]
		if name == "" {
			return nil, fmt.Errorf("%q: a name is missing", text)
		}
		if strings.ContainsAny(name, "]*\"\\") {
			return nil, fmt.Errorf("%q: want names and places such as items[0].price or items[*].price", text)
		}
		p = append(p, step{name: name})
		rest = rest[end:]
		for strings.HasPrefix(rest, "[") {
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, fmt.Errorf("%q: a bracket is not closed", text)
			}
			s := step{array: true, index: every}
			if place := rest[1:end]; place != "*" {
				n, err := strconv.ParseUint(place, 10, 16)
				if err != nil {
					return nil, fmt.Errorf("%q: want a number or * in brackets", text)
				}
				s.index = int(n)
			}
			p = append(p, s)
			rest = rest[end+1:]
		}
		switch {
		case rest == "":
			if len(p) > maxDepth {
				return nil, fmt.Errorf("%q: too deep", text)
			}
			return p, nil
		case rest[0] != '.':
			return nil, fmt.Errorf("%q: want a dot or a bracket after a bracket", text)
		}
		rest = rest[1:]
	}
}

func (p path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.array && s.index == every:
			b.WriteString("[*]")
		case s.array:
			fmt.Fprintf(&b, "[%d]", s.index)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// covers says that the path, or what it stands for with [*], is the other.
func (p path) covers(other path) bool {
	if len(p) != len(other) {
		return false
	}
	for i, s := range p {
		o := other[i]
		if s.array != o.array || s.name != o.name || s.array && s.index != every && s.index != o.index {
			return false
		}
	}
	return true
}

// holders calls f for every object that holds the path's last name. Paths end
// in a name or in a place; for a place the holder is the array. create adds the
// objects on the way that are not there.
func (n *node) holders(p path, create bool, f func(holder *node, last step) error) error {
	if len(p) == 1 {
		return f(n, p[0])
	}
	s := p[0]
	if s.array {
		if n.kind != '[' {
			return nil
		}
		for i, e := range n.elements {
			if s.index == every || s.index == i {
				if err := e.holders(p[1:], create, f); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if n.kind != '{' {
		if create {
			return fmt.Errorf("%s: what should hold it is not an object", s.name)
		}
		return nil
	}
	i := n.member(s.name)
	if (i < 0 || n.members[i].value.null()) && create && !p[1].array {
		n.put(s.name, &node{kind: '{'})
		i = n.member(s.name)
	}
	if i < 0 {
		return nil
	}
	return n.members[i].value.holders(p[1:], create, f)
}

// put sets a member, at its old place if it had one.
func (n *node) put(name string, v *node) {
	if i := n.member(name); i >= 0 {
		n.members[i].value = v
		return
	}
	n.members = append(n.members, member{rawName: quote(name), name: name, value: v})
}
