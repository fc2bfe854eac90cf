package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestStaticBuild: the program of the container image runs without a C library
// and says what it cannot do. The Dockerfile builds it with the same arguments.
func TestStaticBuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "storepulse")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "noengine", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	if len(libraries) > 0 {
		t.Errorf("it needs %v; something imports internal/devmode/chdb or cgo again", libraries)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a dynamic loader; something imports internal/devmode/chdb or cgo again")
		}
	}
	if runtime.GOOS != "linux" {
		return // built for another system than this one
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"demo"}, {"dev", "kafka", "--listen", "127.0.0.1:0"}, {"sql", "SELECT 1", "--data-dir", "."}, {"verify", "--data-dir", "."}} {
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "built without the embedded engine") {
			t.Errorf("%v: %v, %q; want exit code 1 and that the engine is not built in", args, err, out)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a command that cannot run left %v behind (%v)", left, err)
	}
}
