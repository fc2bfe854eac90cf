package lint

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/storepulse/storepulse/"

// listed is what go list says of one of our packages; paths are relative to the module.
type listed struct {
	Path    string
	Imports []string // of ours, not of its tests
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		l := listed{Path: strings.TrimPrefix(p.ImportPath, module)}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok {
				l.Imports = append(l.Imports, ours)
			}
		}
		all = append(all, l)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages; the rules would check nothing", len(all))
	}
	return all
}

// within says that the path is the folder or lies in it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// TestImportDirection: cmd → internal → {ingest, transform, sink} → schemas,
// and the three stages know nothing of each other.
func TestImportDirection(t *testing.T) {
	mayImport := []struct {
		folder  string
		allowed []string
		instead string
	}{
		{"schemas", []string{"schemas"}, "schemas is the leaf: move what it needs into it, or the code that needs both to the caller"},
		{"ingest", []string{"ingest", "schemas"}, "a stage knows schemas only: let internal/pipeline join the stages, and pass functions in"},
		{"transform", []string{"transform", "schemas"}, "a stage knows schemas only: return it in transform.Output and let internal/pipeline act on it"},
		{"sink", []string{"sink", "schemas"}, "a stage knows schemas only: let internal/pipeline join the stages, and pass functions in"},
		{"dashboards", []string{"dashboards", "schemas"}, "dashboards are made from the register in schemas, not from the running program"},
	}
	pipelineUsers := []string{"cmd", "internal/devmode", "internal/e2e", "internal/config", "internal/pipeline"}
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			for _, rule := range mayImport {
				if within(p.Path, rule.folder) && !slices.ContainsFunc(rule.allowed, func(a string) bool { return within(imp, a) }) {
					t.Errorf("%s imports %s: %s", p.Path, imp, rule.instead)
				}
			}
			if within(imp, "internal/pipeline") && !slices.ContainsFunc(pipelineUsers, func(u string) bool { return within(p.Path, u) }) {
				t.Errorf("%s imports %s: only the command, dev mode, the end-to-end tests and the configuration may; take a function as parameter", p.Path, imp)
			}
			if within(imp, "cmd") {
				t.Errorf("%s imports %s: nothing imports the command; move the shared part under internal", p.Path, imp)
			}
			if within(imp, "internal/e2e") || within(imp, "internal/lint") {
				t.Errorf("%s imports %s: it holds tests only; move the shared part into a package of its own", p.Path, imp)
			}
		}
	}
}

// TestSinksDoNotKnowEachOther: a sink may know package sink and nothing beside it.
func TestSinksDoNotKnowEachOther(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if within(p.Path, "sink") && strings.HasPrefix(imp, "sink/") && !within(p.Path, imp) && !within(imp, p.Path) {
				t.Errorf("%s imports %s: put what both need into sink or schemas", p.Path, imp)
			}
		}
	}
}
