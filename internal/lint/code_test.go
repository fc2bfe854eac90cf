package lint

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pure lists the folders whose code is a function of its arguments.
var pure = []string{"transform", "schemas"}

// selector gives "pkg.Name" of a qualified identifier, resolving import names
// no further than the default: nobody here renames time or synctest.
func selector(e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return id.Name + "." + sel.Sel.Name
}

// TestTransformIsPure: same state, input and watermark give the same facts,
// byte for byte; recovery depends on it.
func TestTransformIsPure(t *testing.T) {
	imports := []string{"os", "net", "net/http", "log", "log/slog", "sync", "sync/atomic", "math/rand", "math/rand/v2", "crypto/rand", "context"}
	clock := []string{"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.Tick", "time.NewTimer", "time.NewTicker", "time.Sleep"}
	for _, s := range sources(t) {
		if s.isTest || !slices.ContainsFunc(pure, func(f string) bool { return within(s.path, f) }) {
			continue
		}
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if slices.Contains(imports, path) {
				t.Errorf("%s: import of %s: this package is a pure function; return what happened and let internal/pipeline log, count or store it", s.at(imp), path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: go statement: one goroutine owns a lane; start goroutines in internal/pipeline", s.at(n))
			case *ast.SelectorExpr:
				if name := selector(n); slices.Contains(clock, name) {
					t.Errorf("%s: %s: there is no clock here; take the time from the records or the plan's watermark", s.at(n), name)
				}
			}
			return true
		})
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" && !s.generated {
				t.Errorf("%s: func init: do it in a constructor that the command calls", s.at(f))
			}
		}
	}
}

// TestPackageVariablesAreConstant: tables may be package-level variables, but
// nobody writes to them. Only assignments that name the variable are found.
func TestPackageVariablesAreConstant(t *testing.T) {
	all := sources(t)
	vars := map[string]map[string]bool{} // by folder and package
	key := func(s source) string { return s.folder() + " " + s.file.Name.Name }
	for _, s := range all {
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR || s.isTest {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if vars[key(s)] == nil {
						vars[key(s)] = map[string]bool{}
					}
					vars[key(s)][name.Name] = true
				}
			}
		}
	}
	for _, s := range all {
		changed := func(n ast.Node, target ast.Expr) {
			for {
				switch x := target.(type) {
				case *ast.IndexExpr:
					target = x.X
					continue
				case *ast.ParenExpr:
					target = x.X
					continue
				case *ast.Ident:
					if x.Name != "_" && vars[key(s)][x.Name] && isPackageLevel(x, s.file) {
						t.Errorf("%s: package variable %s is changed: make it a field or a parameter", s.at(n), x.Name)
					}
				}
				return
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, target := range n.Lhs {
						changed(n, target)
					}
				}
			case *ast.IncDecStmt:
				changed(n, n.X)
			}
			return true
		})
	}
}

// isPackageLevel uses the parser's own resolution inside a file: a name it
// could not resolve, or resolved to the file's scope, is the package's.
func isPackageLevel(id *ast.Ident, f *ast.File) bool {
	return id.Obj == nil || f.Scope.Lookup(id.Name) == id.Obj
}

func TestSkipsSayWhy(t *testing.T) {
	for _, s := range sources(t) {
		if !s.isTest {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if ok && (sel.Sel.Name == "SkipNow" || (sel.Sel.Name == "Skip" || sel.Sel.Name == "Skipf") && len(call.Args) == 0) {
				t.Errorf("%s: %s without a reason: say what is missing and how to get it", s.at(n), sel.Sel.Name)
			}
			return true
		})
	}
}

// TestNoSleepInTests: inside synctest a sleep is exact and free; elsewhere it
// is a hope that costs time. A helper of the package that calls synctest.Test
// counts like it.
func TestNoSleepInTests(t *testing.T) {
	bubbles := map[string]bool{"synctest.Test": true}
	all := sources(t)
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.isTest && f.Body != nil && calls(f.Body, "synctest.Test") {
				bubbles[s.folder()+" "+f.Name.Name] = true
			}
		}
	}
	for _, s := range all {
		if !s.isTest {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := selector(call.Fun)
			if id, ok := call.Fun.(*ast.Ident); ok {
				name = s.folder() + " " + id.Name
			}
			if name == "time.Sleep" {
				t.Errorf("%s: time.Sleep: wait for the event itself (a channel, a callback, polling with a deadline), or run the test in synctest.Test", s.at(n))
			}
			return !bubbles[name]
		})
	}
}

// TestRequestsAreBounded: the functions of net/http wait forever for a server
// that hangs.
func TestRequestsAreBounded(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				switch name := selector(call.Fun); name {
				case "http.Get", "http.Post", "http.PostForm", "http.Head":
					t.Errorf("%s: %s has no timeout: take a client that has one (tests: devtest.HTTP), or a request with a context", s.at(n), name)
				}
			}
			return true
		})
	}
}

// TestKafkaClientsHaveATransport: the library's default one is for the whole
// process and never forgets what it learned at an address, even if another
// cluster has it by then.
func TestKafkaClientsHaveATransport(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if name := selector(lit.Type); (name == "kafka.Client" || name == "kafka.Writer") && !slices.ContainsFunc(lit.Elts, func(e ast.Expr) bool {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					return false
				}
				id, ok := kv.Key.(*ast.Ident)
				return ok && id.Name == "Transport"
			}) {
				t.Errorf("%s: %s without a Transport: give it one of its own, and close that one's idle connections", s.at(n), name)
			}
			return true
		})
	}
}

// calls says whether a call of pkg.Name stands in the node.
func calls(in ast.Node, name string) bool {
	found := false
	ast.Inspect(in, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && selector(call.Fun) == name {
			found = true
		}
		return !found
	})
	return found
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if !s.isTest {
			documented[s.folder()] = documented[s.folder()] || s.file.Doc != nil
		}
	}
	for folder, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment: one sentence on its job, one on who starts and who flushes it", folder)
		}
	}
}

// TestExportedNamesAreDocumented covers types and functions of the packages
// that users read first; methods and members of a documented group may speak
// for themselves.
func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest || s.generated || within(s.path, "internal") || strings.HasPrefix(s.path, "cmd/") {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.IsExported() && d.Doc == nil {
					t.Errorf("%s: func %s has no comment: say what a caller can rely on", s.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				if d.Tok != token.TYPE {
					continue
				}
				for _, spec := range d.Specs {
					ts := spec.(*ast.TypeSpec)
					if ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil && ts.Comment == nil {
						t.Errorf("%s: type %s has no comment: say what it is", s.at(ts), ts.Name.Name)
					}
				}
			}
		}
	}
}
