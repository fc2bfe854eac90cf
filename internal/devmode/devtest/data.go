package devtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Data finds a file of the public data sets, in the folder that
// STOREPULSE_TEST_DATA names. Without it the test is skipped, in CI it fails.
func Data(t *testing.T, name string) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	folder := os.Getenv("STOREPULSE_TEST_DATA")
	if folder == "" {
		missing("needs %s: STOREPULSE_TEST_DATA names no folder of public data sets", name)
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		missing("STOREPULSE_TEST_DATA has no %s: %v", name, err)
	}
	return path
}
