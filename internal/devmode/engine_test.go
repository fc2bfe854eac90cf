package devmode_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/storepulse/storepulse/internal/devmode"
)

// fakeNPM puts a script named npm first on the PATH and a new folder in the
// place of the engine.
func fakeNPM(t *testing.T, script string) (calls func() int) {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the engine is installed on linux x64 only")
	}
	bin := t.TempDir()
	log := filepath.Join(bin, "calls")
	text := "#!/bin/sh\necho called >> " + log + "\nprefix=$3\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("STOREPULSE_ENGINE_DIR", filepath.Join(t.TempDir(), "engine"))
	return func() int {
		b, err := os.ReadFile(log)
		if err != nil {
			return 0
		}
		return bytes.Count(b, []byte("\n"))
	}
}

const goodInstall = `
d=$prefix/node_modules/@chdb/lib-linux-x64-gnu
mkdir -p $d
truncate -s 200M $d/libchdb.so
echo '{"version": "26.7.3-stable.1"}' > $d/package.json`

func TestEngineIsInstalledOnce(t *testing.T) {
	calls := fakeNPM(t, goodInstall)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			path, err := devmode.EnsureEngine(t.Context(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if info, err := os.Stat(path); err != nil || info.Size() != 200<<20 {
				t.Errorf("engine at %s: %v", path, err)
			}
		})
	}
	wg.Wait()
	if n := calls(); n != 1 {
		t.Errorf("npm ran %d times", n)
	}
	entries, err := os.ReadDir(filepath.Dir(os.Getenv("STOREPULSE_ENGINE_DIR")))
	if err != nil || len(entries) != 2 { // the engine and its lock
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// A folder that is not whole is replaced.
func TestBrokenEngineIsReplaced(t *testing.T) {
	calls := fakeNPM(t, goodInstall)
	path, err := devmode.EnsureEngine(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := devmode.EnsureEngine(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := calls(); n != 2 {
		t.Errorf("npm ran %d times", n)
	}
}

func TestEngineErrorsSayWhatToDo(t *testing.T) {
	f := func(name, script, want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			fakeNPM(t, script)
			var progress bytes.Buffer
			_, err := devmode.EnsureEngine(t.Context(), &progress)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
			if !strings.Contains(progress.String(), "installing the embedded ClickHouse engine") {
				t.Errorf("progress: %q", progress.String())
			}
		})
	}
	f("offline", "echo 'npm error code EAI_AGAIN' >&2; exit 1", "npm cannot reach its registry (EAI_AGAIN)")
	f("full disk", "echo 'npm error code ENOSPC' >&2; exit 1", "about 600 MB")
	f("other", "echo 'npm error boom' >&2; exit 3", "boom")
	f("small", strings.Replace(goodInstall, "200M", "2M", 1), "not the whole engine")
	f("other version", strings.Replace(goodInstall, "26.7.3-stable.1", "26.5.3", 1), "is version 26.5.3, not 26.7.3-stable.1")
	t.Run("no npm", func(t *testing.T) {
		fakeNPM(t, "")
		t.Setenv("PATH", t.TempDir())
		if _, err := devmode.EnsureEngine(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "npm is not on the PATH") {
			t.Errorf("got %v", err)
		}
	})
}
