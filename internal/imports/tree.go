package imports

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/storepulse/storepulse/internal/yamltext"
)

// maxMapping bounds a mapping file: it is read whole, and the parser takes time
// quadratic in the depth of nesting.
const maxMapping = 128 << 10

// document is a parsed YAML file that collects every fault with its line, so
// that a user sees all of them at once.
type document struct{ errs []error }

// tree is one node with the path that names it in messages.
type tree struct {
	node    ast.Node
	path    string
	missing bool // node is that of the parent, for its line
}

// parseDocument gives the root; an empty file has a nil node.
func parseDocument(data []byte) (*document, tree, error) {
	if len(data) > maxMapping {
		return nil, tree{}, fmt.Errorf("mapping has %d bytes, at most %d are read", len(data), maxMapping)
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, tree{}, err
	}
	if len(file.Docs) > 1 {
		return nil, tree{}, errors.New("mapping holds several YAML documents: keep one")
	}
	d := &document{}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return d, tree{}, nil
	}
	return d, tree{node: file.Docs[0].Body}, nil
}

func (d *document) fail(t tree, format string, args ...any) {
	line := 0
	if t.node != nil && t.node.GetToken() != nil && t.node.GetToken().Position != nil {
		line = t.node.GetToken().Position.Line
	}
	where := ""
	if t.path != "" {
		where = t.path + ": "
	}
	d.errs = append(d.errs, fmt.Errorf("line %d: %s%s", line, where, fmt.Sprintf(format, args...)))
}

func (t tree) absent() bool {
	if t.node == nil || t.missing {
		return true
	}
	_, null := t.node.(*ast.NullNode)
	return null
}

func (t tree) child(name string, node ast.Node) tree {
	if t.path != "" && !strings.HasPrefix(name, "[") {
		name = "." + name
	}
	return tree{node: node, path: t.path + name}
}

// entry is one key of a mapping, in the order of the file.
type entry struct {
	key   string
	value tree
}

func (d *document) entries(t tree) []entry {
	if t.absent() {
		return nil
	}
	var values []*ast.MappingValueNode
	switch n := t.node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.fail(t, "must be a mapping of names to values")
		return nil
	}
	var list []entry
	for _, v := range values {
		key, ok := yamltext.Scalar(v.Key)
		if !ok {
			d.fail(t.child("?", v.Key), "a key must be a plain word")
			continue
		}
		list = append(list, entry{key, t.child(key, v.Value)})
	}
	return list
}

// known gives the values by key and refuses keys that are not in the list.
func (d *document) known(t tree, keys ...string) map[string]tree {
	found := map[string]tree{}
	for _, e := range d.entries(t) {
		switch {
		case !slices.Contains(keys, e.key):
			d.fail(e.value, "unknown key, want one of %s", strings.Join(keys, ", "))
		case found[e.key].node != nil:
			d.fail(e.value, "key stands twice")
		default:
			found[e.key] = e.value
		}
	}
	return found
}

func (d *document) list(t tree) []tree {
	if t.absent() {
		return nil
	}
	seq, ok := t.node.(*ast.SequenceNode)
	if !ok {
		d.fail(t, "must be a list")
		return nil
	}
	var list []tree
	for i, n := range seq.Values {
		list = append(list, t.child("["+strconv.Itoa(i)+"]", n))
	}
	return list
}

// text gives a scalar as written; absent is "".
func (d *document) text(t tree) string {
	if t.absent() {
		return ""
	}
	s, ok := yamltext.Scalar(t.node)
	if !ok {
		d.fail(t, "must be a single value")
	}
	return s
}

func (d *document) texts(t tree) []string {
	var list []string
	for _, e := range d.list(t) {
		list = append(list, d.text(e))
	}
	return list
}

func (d *document) bool(t tree) bool {
	switch s := d.text(t); s {
	case "", "false":
		return false
	case "true":
		return true
	default:
		d.fail(t, "must be true or false (got %q)", s)
		return false
	}
}

func (d *document) integer(t tree, lo, hi, absent int) int {
	if t.absent() {
		return absent
	}
	n, err := strconv.Atoi(d.text(t))
	if err != nil || n < lo || n > hi {
		d.fail(t, "must be a number from %d to %d (got %q)", lo, hi, d.text(t))
		return absent
	}
	return n
}

func isMapping(t tree) bool {
	switch t.node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

func isList(t tree) bool {
	_, ok := t.node.(*ast.SequenceNode)
	return ok
}
