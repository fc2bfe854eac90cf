package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func run(t *testing.T, stream string) (text string, ok bool) {
	t.Helper()
	var out bytes.Buffer
	s := newSummary(&out)
	if err := s.read(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	ok = s.print()
	return out.String(), ok
}

func TestSummary(t *testing.T) {
	got, ok := run(t, `{"Action":"run","Package":"p/a","Test":"TestOne"}
{"Action":"output","Package":"p/a","Test":"TestOne","Output":"=== RUN   TestOne\n"}
{"Action":"output","Package":"p/a","Test":"TestOne","Output":"chatter of a good test\n"}
{"Action":"pass","Package":"p/a","Test":"TestOne","Elapsed":0.1}
{"Action":"output","Package":"p/a","Test":"TestTwo","Output":"=== RUN   TestTwo\n"}
{"Action":"output","Package":"p/a","Test":"TestTwo","Output":"    two_test.go:7: no Kafka: set STOREPULSE_TEST_KAFKA\n"}
{"Action":"output","Package":"p/a","Test":"TestTwo","Output":"--- SKIP: TestTwo (0.00s)\n"}
{"Action":"skip","Package":"p/a","Test":"TestTwo"}
{"Action":"pass","Package":"p/a","Elapsed":0.5}
{"Action":"output","Package":"p/b","Test":"TestThree","Output":"    three_test.go:9: got 1, want 2\n"}
{"Action":"fail","Package":"p/b","Test":"TestThree"}
{"Action":"fail","Package":"p/b","Elapsed":1}
{"Action":"skip","Package":"p/none"}
`)
	want := `pass  p/a 0.5s
    three_test.go:9: got 1, want 2
fail  p/b 1.0s

skipped:
  p/a TestTwo: no Kafka: set STOREPULSE_TEST_KAFKA

failed:
  p/b TestThree

1 passed, 1 failed, 1 skipped
`
	if diff := cmp.Diff(got, want); diff != "" || ok {
		t.Errorf("ok %v, text (-got, +want):\n%s", ok, diff)
	}
}

// TestPackagesThatBreakCount: a build failure, a panic and a timeout end no
// test, and must not look like success.
func TestPackagesThatBreakCount(t *testing.T) {
	got, ok := run(t, `{"ImportPath":"p/c","Action":"build-output","Output":"c.go:1: undefined: x\n"}
{"ImportPath":"p/c","Action":"build-fail"}
{"Action":"fail","Package":"p/c","Elapsed":0,"FailedBuild":"p/c"}
{"Action":"pass","Package":"p/d","Test":"TestFour"}
{"Action":"output","Package":"p/d","Test":"TestFive","Output":"panic: test timed out after 10m0s\n"}
{"Action":"fail","Package":"p/d","Elapsed":600}
`)
	if ok || !strings.Contains(got, "c.go:1: undefined: x") || !strings.Contains(got, "panic: test timed out") ||
		!strings.HasSuffix(got, "\nfailed:\n  p/c\n  p/d\n\n1 passed, 2 failed, 0 skipped\n") {
		t.Errorf("ok %v:\n%s", ok, got)
	}
}

func TestNothingRunIsNoSuccess(t *testing.T) {
	if got, ok := run(t, ""); ok {
		t.Errorf("an empty run counts as good:\n%s", got)
	}
}
