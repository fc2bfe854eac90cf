package lint

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// pages gives the documentation by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".md") {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
	})
	return all
}

var (
	mdLink = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)]*)?\)`)
	goPath = regexp.MustCompile("`([a-z][a-z0-9_/.-]*/[a-z0-9_.-]+\\.(?:go|sql|sh|yaml|json))`")
	series = regexp.MustCompile(`ecom_[a-z0-9_]+[a-z0-9]`)
)

// anchors are the names by which links reach the sections of a page.
func anchors(page string) (names []string) {
	for line := range strings.Lines(page) {
		title := strings.TrimLeft(line, "#")
		if title == line {
			continue
		}
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title)))
	}
	return names
}

// TestPagesNameFilesThatExist covers links, with their sections, and file names
// in code quotes.
func TestPagesNameFilesThatExist(t *testing.T) {
	all := pages(t)
	for path, text := range all {
		for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			target := path
			if m[1] != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(path), m[1]))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which does not exist: mend or remove the link", path, m[1])
			}
			if section, ok := strings.CutPrefix(m[2], "#"); ok && !slices.Contains(anchors(all[target]), section) {
				t.Errorf("%s links to the section #%s of %s, which does not exist: name a heading that is there", path, section, target)
			}
		}
		for _, m := range goPath.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist: say where it is now", path, m[1])
			}
		}
	}
}

// TestPagesNameMetricsThatExist: an operator who looks for a metric finds it.
func TestPagesNameMetricsThatExist(t *testing.T) {
	declared := map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, s.path))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range series.FindAllString(string(text), -1) {
			declared[name] = true
		}
	}
	for path, text := range pages(t) {
		for _, name := range series.FindAllString(text, -1) {
			base := name
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if !declared[name] && !declared[base] {
				t.Errorf("%s names %s, which no Go file declares: declare it, or name the one that answers the question", path, name)
			}
		}
	}
}

// TestReadmeNamesEveryFolder: whoever opens the README learns what is where.
func TestReadmeNamesEveryFolder(t *testing.T) {
	readme := pages(t)["README.md"]
	missing := map[string]bool{}
	walk(t, func(path string) {
		parts := strings.Split(path, "/")
		if len(parts) < 2 || strings.HasPrefix(path, ".") {
			return
		}
		folder := parts[0]
		if folder == "internal" && strings.HasSuffix(path, ".go") {
			folder += "/" + parts[1]
		}
		named := strings.Contains(readme, "`"+folder+"`") || !strings.HasPrefix(folder, "internal") && strings.Contains(readme, "`"+folder+"/")
		if folder != "internal" && !named {
			missing[folder] = true
		}
	})
	for folder := range missing {
		t.Errorf("README.md does not name %s: add it to the table of section \"Where things are\"", folder)
	}
}

// TestOperationsListsTheWorkersMetrics: what the worker says of itself is in
// docs/operations.md, by the question it answers; the business metrics are in
// docs/metrics.md, which is generated.
func TestOperationsListsTheWorkersMetrics(t *testing.T) {
	page := pages(t)["docs/operations.md"]
	for _, s := range sources(t) {
		if s.isTest || !within(s.path, "ingest") && !within(s.path, "sink") && !within(s.path, "internal/pipeline") && !within(s.path, "internal/obs") && !within(s.path, "internal/verify") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if name := strings.Trim(lit.Value, `"`); series.FindString(name) == name && !strings.Contains(page, name) {
				t.Errorf("%s: %s is not in docs/operations.md: add it to the table of section \"What to look at\"", s.at(lit), name)
			}
			return true
		})
	}
}
