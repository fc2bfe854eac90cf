// Command testsum reads the output of go test -json and prints what a person
// wants of it: a line a package, the whole output of what failed, why tests
// were skipped, and at the end the counts. It exits with 1 if anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of build output
	Elapsed                       float64
}

type summary struct {
	out                     io.Writer
	output                  map[string][]string // by package and test, until it is over
	passed, failed, skipped int
	failures, skips         []string
	broken                  int // packages that failed outside of a test
	inPackage               map[string]int
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, output: map[string][]string{}, inPackage: map[string]int{}}
}

func main() {
	s := newSummary(os.Stdout)
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "read test output:", err)
		os.Exit(1)
	}
	if !s.print() {
		os.Exit(1)
	}
}

func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if len(line) > 0 && json.Unmarshal(line, &e) == nil {
			s.take(e)
		} else if len(line) > 0 {
			fmt.Fprint(s.out, string(line)) // go's own words, such as a download
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		s.output[key] = append(s.output[key], e.Output)
		return
	case "build-output":
		fmt.Fprint(s.out, e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	text := s.output[key]
	delete(s.output, key)
	if e.Test == "" {
		s.endOfPackage(e, text)
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		s.inPackage[e.Package]++
		s.failures = append(s.failures, e.Package+" "+e.Test)
		fmt.Fprint(s.out, strings.Join(text, ""))
	case "skip":
		s.skipped++
		s.skips = append(s.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(text)))
	}
}

func (s *summary) endOfPackage(e event, text []string) {
	if e.Action == "skip" {
		return // no tests
	}
	fmt.Fprintf(s.out, "%-5s %s %.1fs\n", e.Action, e.Package, e.Elapsed)
	if e.Action != "fail" {
		return
	}
	// A panic, a timeout or a build failure belongs to no test that ended.
	if s.inPackage[e.Package] == 0 {
		s.broken++
		s.failures = append(s.failures, e.Package)
	}
	fmt.Fprint(s.out, strings.Join(text, ""))
	for key, rest := range s.output {
		if strings.HasPrefix(key, e.Package+" ") {
			fmt.Fprint(s.out, strings.Join(rest, ""))
			delete(s.output, key)
		}
	}
}

// reason is what a skipped test said, without the frame that go test puts around it.
func reason(text []string) string {
	for _, line := range text {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, said, ok := strings.Cut(line, ".go:"); ok {
			_, said, _ = strings.Cut(said, ": ")
			return said
		}
		return line
	}
	return "no reason given"
}

func (s *summary) print() bool {
	if len(s.skips) > 0 {
		fmt.Fprintln(s.out, "\nskipped:")
		slices.Sort(s.skips)
		for _, line := range s.skips {
			fmt.Fprintln(s.out, "  "+line)
		}
	}
	if len(s.failures) > 0 {
		fmt.Fprintln(s.out, "\nfailed:")
		for _, line := range s.failures {
			fmt.Fprintln(s.out, "  "+line)
		}
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped\n", s.passed, s.failed+s.broken, s.skipped)
	return s.failed+s.broken == 0 && s.passed > 0
}
