package lint

import (
	"go/ast"
	"regexp"
	"testing"
)

var testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)

// TestCommentsNameTestsThatExist: a comment of a test file that sends a reader
// to another test has to find it.
func TestCommentsNameTestsThatExist(t *testing.T) {
	exist := map[string]bool{"TestMain": true}
	all := sources(t)
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.isTest {
				exist[f.Name.Name] = true
			}
		}
	}
	for _, s := range all {
		if !s.isTest {
			continue
		}
		for _, group := range s.file.Comments {
			for _, c := range group.List {
				for _, name := range testName.FindAllString(c.Text, -1) {
					if !exist[name] {
						t.Errorf("%s names %s, which does not exist: say what it is called now", s.at(c), name)
					}
				}
			}
		}
	}
}
