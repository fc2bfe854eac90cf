package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSecret(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for text, want := range map[string]string{"abc": "abc", "abc\n": "abc", "abc\r\n": "abc", " a c ": " a c "} {
		if got, err := readSecret("token-file", file(text)); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
	if got, err := readSecret("token-file", file("\n")); err == nil || !strings.Contains(err.Error(), "--token-file") {
		t.Errorf("an empty file is %q, %v", got, err)
	}
}
