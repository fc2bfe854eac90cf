package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/storepulse/storepulse/internal/yamltext"
)

// decoder writes a YAML file over the defaults. It walks the syntax tree
// itself, because an operator wants all faults at once, each with its line;
// a decoder that stops at the first one makes them start the program ten times.
type decoder struct {
	file   string
	faults []error
}

// defaulter is an element of a map: it has defaults of its own.
type defaulter interface{ setDefaults() }

func (d *decoder) fault(n ast.Node, path, format string, args ...any) {
	d.faults = append(d.faults, fmt.Errorf("%s:%d: %s: %s", d.file, n.GetToken().Position.Line, path, fmt.Sprintf(format, args...)))
}

// decode fills the struct that into points to.
func (d *decoder) decode(text []byte, into any) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		d.faults = append(d.faults, fmt.Errorf("%s: not YAML: %s", d.file, strings.TrimSpace(yaml.FormatError(err, false, true))))
		return
	}
	if len(file.Docs) > 1 {
		d.faults = append(d.faults, fmt.Errorf("%s: must be one YAML document (got %d)", d.file, len(file.Docs)))
		return
	}
	if len(file.Docs) == 1 && file.Docs[0].Body != nil {
		d.value(file.Docs[0].Body, "", reflect.ValueOf(into).Elem())
	}
}

func (d *decoder) value(n ast.Node, path string, into reflect.Value) {
	switch n.(type) {
	case *ast.NullNode, *ast.CommentGroupNode:
		return // a key without a value keeps its default
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.fault(n, path, "must be a plain value: anchors, aliases and tags are not supported")
		return
	}
	switch {
	case isScalar(into.Type()):
		text, ok := scalarText(n)
		if !ok {
			d.fault(n, path, "must be a single value")
			return
		}
		if err := setScalar(into, text); err != nil {
			d.fault(n, path, "%v", err)
		}
	case into.Kind() == reflect.Pointer:
		elem := reflect.New(into.Type().Elem())
		if !into.IsNil() {
			elem.Elem().Set(into.Elem())
		}
		d.value(n, path, elem.Elem())
		into.Set(elem)
	case into.Kind() == reflect.Slice:
		d.list(n, path, into)
	case into.Kind() == reflect.Map:
		d.mapping(n, path, into)
	case into.Kind() == reflect.Struct:
		d.structure(n, path, into)
	default:
		panic("BUG: no way to decode " + into.Type().String() + " at " + path)
	}
}

func (d *decoder) list(n ast.Node, path string, into reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(n, path, "must be a list")
		return
	}
	out := reflect.MakeSlice(into.Type(), len(seq.Values), len(seq.Values))
	for i, item := range seq.Values {
		d.value(item, fmt.Sprintf("%s[%d]", path, i), out.Index(i))
	}
	into.Set(out)
}

// mapping replaces the whole map: who names tenants does not want the default one beside them.
func (d *decoder) mapping(n ast.Node, path string, into reflect.Value) {
	entries, ok := d.entries(n, path)
	if !ok {
		return
	}
	out := reflect.MakeMap(into.Type())
	for _, e := range entries {
		elem := reflect.New(into.Type().Elem())
		if def, ok := elem.Interface().(defaulter); ok {
			def.setDefaults()
		}
		key := keyText(e)
		d.value(e.Value, path+"."+key, elem.Elem())
		out.SetMapIndex(reflect.ValueOf(key), elem.Elem())
	}
	into.Set(out)
}

func (d *decoder) structure(n ast.Node, path string, into reflect.Value) {
	entries, ok := d.entries(n, path)
	if !ok {
		return
	}
	fields := fieldsOf(into)
	for _, e := range entries {
		key := keyText(e)
		at := join(path, key)
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
		if i < 0 {
			var keys []string
			for _, f := range fields {
				keys = append(keys, join(path, f.key))
			}
			d.fault(e.Key, at, "unknown key%s", didYouMean(at, keys))
			continue
		}
		d.value(e.Value, at, fields[i].value)
	}
}

func (d *decoder) entries(n ast.Node, path string) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	if path == "" {
		path = "the file"
	}
	d.fault(n, path, "must be a mapping of keys to values")
	return nil, false
}

// field is one configuration key of a struct; embedded and inline structs are flattened.
type field struct {
	key   string
	value reflect.Value
}

func fieldsOf(v reflect.Value) []field {
	var out []field
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		key, opts, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case key == "-" || !sf.IsExported():
		case strings.Contains(opts, "inline"):
			out = append(out, fieldsOf(v.Field(i))...)
		case key == "":
			panic("BUG: " + v.Type().String() + "." + sf.Name + " has no yaml tag: give it a key or \"-\"")
		default:
			out = append(out, field{key, v.Field(i)})
		}
	}
	return out
}

func keyText(e *ast.MappingValueNode) string { return e.Key.GetToken().Value }

// scalarText is yamltext.Scalar with the numbers that no field takes: their
// fault is the value, not the shape.
func scalarText(n ast.Node) (string, bool) {
	switch n.(type) {
	case *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return yamltext.Scalar(n)
}

func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Float64:
		return true
	}
	return false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// didYouMean finds the nearest of the keys, if one is near enough to be meant.
func didYouMean(got string, keys []string) string {
	best, at := 4, ""
	for _, k := range keys {
		if n := distance(got, k); n < best {
			best, at = n, k
		}
	}
	if at == "" {
		return ""
	}
	return " (did you mean " + at + "?)"
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
