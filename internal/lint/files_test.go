package lint

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the module's folder, seen from this package.
const root = "../.."

// source is one Go file of ours.
type source struct {
	path      string // relative to the module, with slashes
	lines     int
	isTest    bool
	generated bool
	fset      *token.FileSet
	file      *ast.File
}

func (s source) folder() string { return filepath.ToSlash(filepath.Dir(s.path)) }

func (s source) at(n ast.Node) token.Position {
	p := s.fset.Position(n.Pos())
	p.Filename = s.path
	return p
}

// walk visits every file that belongs to the project, not what was built or downloaded.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	skip := []string{".git", "bin", "build", "node_modules", ".storepulse", ".secrets"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(skip, d.Name()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil // .git of a worktree is a file
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			visit(filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.Contains(path, "/testdata/") {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{
			path: path, lines: bytes.Count(text, []byte("\n")), isTest: strings.HasSuffix(path, "_test.go"),
			generated: ast.IsGenerated(f), fset: fset, file: f,
		})
	})
	if len(all) < 10 {
		t.Fatalf("found %d Go files; the rules would check nothing", len(all))
	}
	return all
}

const maxFileLines = 500

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if !s.isTest && !s.generated && s.lines > maxFileLines {
			t.Errorf("%s has %d lines, at most %d: ask what second thing the file has begun to do, and give it a file of its own", s.path, s.lines, maxFileLines)
		}
	}
}

// TestNoForeignHostsOrPaths: a checkout must work with whatever registry and
// folder its user has.
func TestNoForeignHostsOrPaths(t *testing.T) {
	rules := []struct {
		pattern *regexp.Regexp
		instead string
	}{
		{
			regexp.MustCompile(`https?://[^\s"'<>/]*(registry\.|proxy\.golang|repo\d?\.maven|pypi\.|jfrog|artifactory|nexus|mirror)[^\s"'<>]*`),
			"leave the registry to the client's own configuration (npm, mvn, go); a lock file takes omit-lockfile-registry-resolved",
		},
		{
			regexp.MustCompile(`"resolved": *"http`),
			"remove the resolved URLs from the lock file (npm config set omit-lockfile-registry-resolved true)",
		},
		{
			regexp.MustCompile(`(^|[\s"'=:(` + "`" + `])/(work|root|home|Users)/[a-z]`),
			"no path of one machine: take a temporary or cache folder, or one from the configuration",
		},
	}
	walk(t, func(path string) {
		if within(path, "internal/lint") || path == "go.sum" {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			return // not text
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, r := range rules {
				if m := r.pattern.FindString(line); m != "" {
					t.Errorf("%s:%d: %q: %s", path, i+1, strings.TrimSpace(m), r.instead)
				}
			}
		}
	})
}
