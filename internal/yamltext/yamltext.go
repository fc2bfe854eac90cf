// Package yamltext reads single values of YAML trees as they were written, for
// files whose fields decide themselves what a text means. It starts and keeps
// nothing.
package yamltext

import "github.com/goccy/go-yaml/ast"

// Scalar gives the text of a string, number or truth value, unquoted; false for
// anything else, null included.
func Scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil { // a block that the file ends before
			return "", false
		}
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}
