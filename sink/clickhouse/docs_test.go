package clickhouse_test

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestQueriesOfThePages: what the pages and the help tell people to ask, the
// engine answers.
func TestQueriesOfThePages(t *testing.T) {
	c := newClient(t)
	query := regexp.MustCompile(`storepulse sql (?:"([^"]+)"|'([^']+)')`)
	asked := 0
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../cmd/storepulse/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range query.FindAllStringSubmatch(string(text), -1) {
				asked++
				if err := c.Ask(t.Context(), io.Discard, m[1]+m[2], "PrettyCompactMonoBlock"); err != nil {
					t.Errorf("%s: %s: %v", file, m[0], err)
				}
			}
		}
	}
	if asked < 4 {
		t.Errorf("%d queries were found: how are they written now?", asked)
	}
}
