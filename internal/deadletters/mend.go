package deadletters

import (
	"errors"
	"fmt"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// subject is what a rule looks at to decide whether it applies.
type subject struct {
	Reason string
	Field  string
	Type   string // as the producer wrote it
	Topic  schemas.Topic
}

// mend applies every rule that matches, in the order of the file, and says
// which did. A value that no rule matches comes back as it is, byte for byte.
func (f *Fix) mend(s subject, value []byte) (mended []byte, rules []int, err error) {
	if f == nil {
		return value, nil, nil
	}
	var root *node
	for i := range f.rules {
		r := &f.rules[i]
		if !r.matches(s) {
			continue
		}
		if root == nil {
			if root, err = parseTree(value); err != nil {
				return nil, nil, err
			}
		}
		if err := r.apply(root); err != nil {
			return nil, nil, fmt.Errorf("rule at line %d: %w", r.line, err)
		}
		rules = append(rules, i)
	}
	if root == nil {
		return value, nil, nil
	}
	return root.write(make([]byte, 0, len(value)+64)), rules, nil
}

// Rules gives the line of every rule, in order.
func (f *Fix) Rules() []int {
	if f == nil {
		return nil
	}
	var lines []int
	for _, r := range f.rules {
		lines = append(lines, r.line)
	}
	return lines
}

func (r *rule) matches(s subject) bool {
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	if !in(r.reasons, s.Reason) || !in(r.types, s.Type) || !in(r.topics, s.Topic.String()) {
		return false
	}
	if len(r.fields) == 0 {
		return true
	}
	field, err := parsePath(s.Field)
	return err == nil && slices.ContainsFunc(r.fields, func(p path) bool { return p.covers(field) })
}

var errSource = errors.New("source: it is there already, and to change it would make another event of this one")

func (r *rule) apply(root *node) error {
	for _, m := range r.rename {
		if err := root.rename(m); err != nil {
			return err
		}
	}
	for _, m := range r.maps {
		err := root.holders(m.at, false, func(h *node, last step) error {
			h.each(last, func(v **node) {
				if text, ok := (*v).text(); ok {
					if to := m.values[text]; to != nil {
						*v = to
					}
				}
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, a := range r.set {
		if a.at[0].name == "source" && !root.lacksSource() {
			return errSource
		}
		if err := root.holders(a.at, true, func(h *node, last step) error { return h.assign(last, a.value) }); err != nil {
			return fmt.Errorf("set %s: %w", a.at, err)
		}
	}
	for _, p := range r.remove {
		if err := root.holders(p, false, func(h *node, last step) error { h.drop(last); return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) lacksSource() bool {
	i := n.member("source")
	return i < 0 || n.members[i].value.null()
}

// rename moves one value; nothing happens where it is absent.
func (n *node) rename(m move) error {
	var value *node
	err := n.holders(m.from, false, func(h *node, last step) error {
		if i := h.member(last.name); h.kind == '{' && i >= 0 {
			value = h.members[i].value
		}
		return nil
	})
	if err != nil || value == nil {
		return err
	}
	if m.to[0].name == "source" && !n.lacksSource() {
		return errSource
	}
	err = n.holders(m.to, true, func(h *node, last step) error {
		if i := h.member(last.name); i >= 0 && !h.members[i].value.null() {
			return fmt.Errorf("rename %s: %s is there already", m.from, m.to)
		}
		return h.assign(last, value)
	})
	if err != nil {
		return err
	}
	return n.holders(m.from, false, func(h *node, last step) error { h.drop(last); return nil })
}

// each shows the values that a last step stands for.
func (n *node) each(last step, f func(**node)) {
	switch {
	case last.array && n.kind == '[':
		for i := range n.elements {
			if last.index == every || last.index == i {
				f(&n.elements[i])
			}
		}
	case !last.array && n.kind == '{':
		for i := range n.members {
			if n.members[i].name == last.name {
				f(&n.members[i].value)
			}
		}
	}
}

func (n *node) assign(last step, v *node) error {
	if last.array {
		n.each(last, func(at **node) { *at = v })
		return nil
	}
	if n.kind != '{' {
		return fmt.Errorf("what should hold %s is not an object", last.name)
	}
	n.put(last.name, v)
	return nil
}

// drop removes every member of the name, or the element.
func (n *node) drop(last step) {
	if !last.array {
		n.members = slices.DeleteFunc(n.members, func(m member) bool { return m.name == last.name })
		return
	}
	if last.index == every {
		n.elements = nil
	} else if last.index < len(n.elements) {
		n.elements = slices.Delete(n.elements, last.index, last.index+1)
	}
}
