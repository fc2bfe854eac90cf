package devtest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// HTTP is the client of tests: a server that hangs fails a test and does not
// stop the suite. No statement of a test takes as long.
var HTTP = &http.Client{Timeout: 2 * time.Minute}

// Database creates an empty database for the test and drops it at its end.
func Database(t testing.TB, server string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", shared.names.Add(1))
	Exec(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		// The server may be gone by now; its data directory goes with it.
		if resp, err := HTTP.Post(server, "text/plain", strings.NewReader("DROP DATABASE IF EXISTS "+name)); err == nil {
			resp.Body.Close()
		}
	})
	return name
}

// Exec runs one statement over HTTP and returns its output (tab separated).
// settings alternate names and values.
func Exec(t testing.TB, server, sql string, settings ...string) string {
	t.Helper()
	out, err := TryExec(server, sql, settings...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TryExec is Exec with the error returned.
func TryExec(server, sql string, settings ...string) (string, error) {
	q := url.Values{}
	for i := 0; i+1 < len(settings); i += 2 {
		q.Set(settings[i], settings[i+1])
	}
	resp, err := HTTP.Post(server+"/?"+q.Encode(), "text/plain", strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: status %d: %s", sql, resp.StatusCode, strings.TrimSpace(string(b)))
	}
	return strings.TrimRight(string(b), "\n"), nil
}
