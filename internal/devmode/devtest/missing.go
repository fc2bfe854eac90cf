package devtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Missing ends a test that cannot have something it needs: it is skipped for
// the reason given, and in CI it fails.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Data finds a file of the public data sets, in the folder that
// STOREPULSE_TEST_DATA names.
func Data(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("STOREPULSE_TEST_DATA")
	if folder == "" {
		Missing(t, "needs %s: STOREPULSE_TEST_DATA names no folder of public data sets", name)
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		Missing(t, "STOREPULSE_TEST_DATA has no %s: %v", name, err)
	}
	return path
}

// Tool finds a program of `make promtools`, for a test two folders below the root.
func Tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../build/promtools/bin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		Missing(t, "%s is missing: run `make promtools`", name)
	}
	return path
}
