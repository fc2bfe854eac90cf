package lint

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notOnKafka says why a test of internal/e2e that could run on a real Kafka is
// not in the Makefile's ON_KAFKA.
var notOnKafka = map[string]string{
	"TestBackfill":    "needs Prometheus: runs in test-eyes",
	"TestPanels":      "needs Prometheus: runs in test-eyes",
	"TestOutagePages": "needs Prometheus: runs in test-eyes",
}

// TestKafkaSuiteIsComplete: `make test` runs a scenario on the embedded broker
// only, so one that is not listed for test-kafka never meets a real one.
func TestKafkaSuiteIsComplete(t *testing.T) {
	listed := makeVariable(t, "ON_KAFKA")
	var scenarios []string
	for _, s := range sources(t) {
		if s.folder() != "internal/e2e" {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") || !callsOwn(f.Body, "kafkas") {
				continue
			}
			name := f.Name.Name
			scenarios = append(scenarios, name)
			if on, not := slices.Contains(listed, name), notOnKafka[name] != ""; on == not {
				t.Errorf("%s: %s calls kafkas: name it either in ON_KAFKA of the Makefile or, with a reason, in notOnKafka of this rule", s.at(f), name)
			}
		}
	}
	if len(scenarios) < 10 {
		t.Fatalf("found %d scenarios; the rule would check nothing", len(scenarios))
	}
	for _, name := range listed {
		if !slices.Contains(scenarios, name) {
			t.Errorf("Makefile: ON_KAFKA names %s, which is no test that calls kafkas: take it out", name)
		}
	}
}

// TestEyesSuiteIsComplete: a test of internal/e2e that needs a program of `make
// promtools` runs in test-eyes, which has them, and not in `make test`.
func TestEyesSuiteIsComplete(t *testing.T) {
	listed := strings.Split(strings.Join(makeVariable(t, "EYES"), ""), "|")
	found := 0
	for _, s := range sources(t) {
		if s.folder() != "internal/e2e" {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") || !callsOf(f.Body, "devtest", "Tool") {
				continue
			}
			found++
			if !slices.Contains(listed, "^"+f.Name.Name+"$$") {
				t.Errorf("%s: %s needs a program of `make promtools`: name it in EYES of the Makefile", s.at(f), f.Name.Name)
			}
		}
	}
	if found < 3 {
		t.Fatalf("found %d tests that need programs; the rule would check nothing", found)
	}
}

// makeVariable gives the words of a variable of the Makefile.
func makeVariable(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` :=((?:.*\\\n)*.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("the Makefile has no variable %s", name)
	}
	return strings.Fields(strings.ReplaceAll(string(m[1]), "\\\n", " "))
}

// callsOwn says whether a call of a function of the same package stands in the body.
func callsOwn(body *ast.BlockStmt, name string) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == name {
				found = true
			}
		}
		return !found
	})
	return found
}

// callsOf says whether a call of a function of another package stands in the body.
func callsOf(body *ast.BlockStmt, pkg, name string) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			id, ok := s.X.(*ast.Ident)
			found = found || ok && id.Name == pkg
		}
		return !found
	})
	return found
}
