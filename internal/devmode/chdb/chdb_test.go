package chdb

import (
	"errors"
	"testing"
)

func TestErrorCode(t *testing.T) {
	f := func(text string, want int) {
		t.Helper()
		if got := newError(text).Code; got != want {
			t.Errorf("%q: code %d, want %d", text, got, want)
		}
	}
	f("Code: 469. DB::Exception: Constraint `fenced` …", 469)
	f("Error: Code: 60. DB::Exception: …", 60)
	f("no code", 1001)
}

func TestLoadWithoutLibrary(t *testing.T) {
	_, err := Load(t.TempDir() + "/libchdb.so")
	if err == nil {
		t.Fatal("a missing library loaded")
	}
	t.Log(err, errors.Is(err, ErrUnsupported))
}
