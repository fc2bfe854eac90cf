package rules

import (
	"bytes"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated files")

const generated = "../generated"

// TestFilesAreUpToDate: what is committed is what the code says, and no more.
func TestFilesAreUpToDate(t *testing.T) {
	files, err := Files(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(generated, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, files[name], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v; run `make generate`", err)
		}
		if !bytes.Equal(have, files[name]) {
			t.Errorf("%s is not what the code says; run `make generate`:\n%s", path, cmp.Diff(string(have), string(files[name])))
		}
	}
	for _, dir := range []string{"prometheus", "alertmanager"} {
		err := filepath.WalkDir(filepath.Join(generated, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(generated, path)
			if _, made := files[filepath.ToSlash(name)]; err == nil && !made {
				t.Errorf("%s is committed and nobody makes it: delete it", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
