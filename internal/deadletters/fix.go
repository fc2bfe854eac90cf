package deadletters

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/storepulse/storepulse/internal/yamltext"
	"github.com/storepulse/storepulse/schemas"
)

// maxFix bounds a fix file: the parser takes time quadratic in its depth.
const maxFix = 128 << 10

// Fix is a compiled fix file. It is immutable.
type Fix struct {
	Hash  string // SHA-256 of the file
	rules []rule
}

// rule changes the letters it matches: rename, map, set, remove, in this order.
type rule struct {
	line    int
	reasons []string // empty: any
	fields  []path
	types   []string
	topics  []string

	rename []move
	maps   []mapping
	set    []assignment
	remove []path
}

type move struct{ from, to path }

type mapping struct {
	at     path
	values map[string]*node
}

type assignment struct {
	at    path
	value *node
}

// LoadFix reads and checks a fix file.
func LoadFix(file string) (*Fix, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the fix file: %w", err)
	}
	f, err := parseFix(data)
	if err != nil {
		return nil, fmt.Errorf("fix file %s:\n%w", file, err)
	}
	return f, nil
}

// parseFix checks a fix file; the error joins every fault, each with its line.
func parseFix(data []byte) (*Fix, error) {
	if len(data) > maxFix {
		return nil, fmt.Errorf("the fix file has %d bytes, at most %d are read", len(data), maxFix)
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, err
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, errors.New("want one YAML document with a list of rules")
	}
	c := &fixCompiler{}
	f := &Fix{}
	for _, e := range c.entries(file.Docs[0].Body) {
		if c.known(e, "rules") {
			for _, n := range c.list(e.value) {
				f.rules = append(f.rules, c.rule(n))
			}
		}
	}
	if len(f.rules) == 0 && len(c.errs) == 0 {
		return nil, errors.New("want one YAML document with a list of rules")
	}
	sum := sha256.Sum256(data)
	f.Hash = hex.EncodeToString(sum[:])
	return f, errors.Join(c.errs...)
}

// fixCompiler collects every fault with its line.
type fixCompiler struct{ errs []error }

type entry struct {
	key   string
	node  ast.Node // of the key, for its line
	value ast.Node
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

func (c *fixCompiler) fail(n ast.Node, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("line %d: %s", lineOf(n), fmt.Sprintf(format, args...)))
}

func (c *fixCompiler) entries(n ast.Node) []entry {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		c.fail(n, "want names with values")
		return nil
	}
	var list []entry
	for _, v := range values {
		key, ok := yamltext.Scalar(v.Key)
		if !ok {
			c.fail(v.Key, "a key must be a plain word")
			continue
		}
		if slices.ContainsFunc(list, func(e entry) bool { return e.key == key }) {
			c.fail(v.Key, "%s stands twice", key)
			continue
		}
		list = append(list, entry{key, v.Key, v.Value})
	}
	return list
}

func (c *fixCompiler) known(e entry, keys ...string) bool {
	if slices.Contains(keys, e.key) {
		return true
	}
	c.fail(e.node, "unknown key %s; want one of %s", e.key, strings.Join(keys, ", "))
	return false
}

func (c *fixCompiler) list(n ast.Node) []ast.Node {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		c.fail(n, "want a list")
		return nil
	}
	return s.Values
}

// texts takes a word or a list of words.
func (c *fixCompiler) texts(n ast.Node) []string {
	nodes := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		nodes = s.Values
	}
	var list []string
	for _, n := range nodes {
		if s, ok := yamltext.Scalar(n); ok {
			list = append(list, s)
		} else {
			c.fail(n, "want a word")
		}
	}
	return list
}

func (c *fixCompiler) rule(n ast.Node) rule {
	r := rule{line: lineOf(n)}
	acts := false
	for _, e := range c.entries(n) {
		if !c.known(e, "match", "rename", "map", "set", "remove") {
			continue
		}
		acts = acts || e.key != "match"
		switch e.key {
		case "match":
			c.match(&r, e.value)
		case "remove":
			for _, text := range c.texts(e.value) {
				r.remove = append(r.remove, c.target(e.value, text, false))
			}
		case "rename":
			for _, e := range c.entries(e.value) {
				to, ok := yamltext.Scalar(e.value)
				if !ok {
					c.fail(e.value, "want the new path")
					continue
				}
				m := move{c.target(e.node, e.key, false), c.target(e.value, to, true)}
				if strings.Contains(m.from.String()+m.to.String(), "[*]") || endsInPlace(m.from) || endsInPlace(m.to) {
					c.fail(e.node, "rename takes names, not every element of a list")
				}
				r.rename = append(r.rename, m)
			}
		case "set":
			for _, e := range c.entries(e.value) {
				r.set = append(r.set, assignment{c.target(e.node, e.key, true), c.value(e.value)})
			}
		case "map":
			for _, e := range c.entries(e.value) {
				m := mapping{at: c.target(e.node, e.key, false), values: map[string]*node{}}
				for _, v := range c.entries(e.value) {
					m.values[v.key] = c.value(v.value)
				}
				r.maps = append(r.maps, m)
			}
		}
	}
	if !acts {
		c.fail(n, "the rule does nothing; want rename, map, set or remove")
	}
	return r
}

func (c *fixCompiler) match(r *rule, n ast.Node) {
	for _, e := range c.entries(n) {
		if !c.known(e, "reason", "field", "type", "topic") {
			continue
		}
		list := c.texts(e.value)
		switch e.key {
		case "reason":
			for _, s := range list {
				if !slices.Contains(schemas.ReasonNames[1:], s) {
					c.fail(e.value, "reason %s is not known; want one of %s", s, strings.Join(schemas.ReasonNames[1:], ", "))
				}
			}
			r.reasons = list
		case "field":
			for _, s := range list {
				p, err := parsePath(s)
				if err != nil {
					c.fail(e.value, "field %v", err)
				}
				r.fields = append(r.fields, p)
			}
		case "type":
			r.types = list
		case "topic":
			for _, s := range list {
				if s != schemas.Clickstream.String() && s != schemas.OrdersTopic.String() {
					c.fail(e.value, "topic %s is not known; want clickstream or orders", s)
				}
			}
			r.topics = list
		}
	}
}

// target is a path that a rule may touch. The id never; the source, which is
// the other half of an event's identity, only to fill it in.
func (c *fixCompiler) target(n ast.Node, text string, fill bool) path {
	p, err := parsePath(text)
	if err != nil {
		c.fail(n, "path %v", err)
		return path{{name: "?"}}
	}
	switch {
	case p[0].name == "id":
		c.fail(n, "%s: the id is never changed: it is what makes the event arrive once", text)
	case p[0].name == "source" && !fill:
		c.fail(n, "%s: the source is half of the event's identity; it can be set where it is absent, not changed", text)
	}
	return p
}

func endsInPlace(p path) bool { return p[len(p)-1].array }

// value is a JSON scalar as YAML writes it.
func (c *fixCompiler) value(n ast.Node) *node {
	switch v := n.(type) {
	case *ast.NullNode:
		return &node{raw: []byte("null")}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		raw := []byte(v.GetToken().Value)
		if !json.Valid(raw) {
			c.fail(n, "%s is not a number or a word of JSON; put it in quotes to make it a string", raw)
		}
		return &node{raw: raw}
	}
	if s, ok := yamltext.Scalar(n); ok {
		return &node{raw: quote(s)}
	}
	c.fail(n, "want a string, a number, true, false or null")
	return &node{raw: []byte("null")}
}
