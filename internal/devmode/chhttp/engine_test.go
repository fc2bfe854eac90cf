package chhttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// raw sends bytes and closes the connection for writing, as a client that dies does.
func raw(t *testing.T, server, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil && line == "" {
		return "closed"
	}
	return strings.TrimSpace(line)
}

func TestCutInsertIsNotApplied(t *testing.T) {
	server := devtest.ClickHouse(t)
	db := devtest.Database(t, server)
	devtest.Exec(t, server, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a", "database", db)
	path := "/?" + url.Values{"database": {db}, "query": {"INSERT INTO t FORMAT CSV"}}.Encode()
	head := "POST " + path + " HTTP/1.1\r\nHost: x\r\n"
	for name, request := range map[string]string{
		"length":  head + "Content-Length: 100\r\n\r\n1\n2\n3\n",
		"chunked": head + "Transfer-Encoding: chunked\r\n\r\n6\r\n1\n2\n3\n\r\n",
		"gzip":    head + "Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\n1\n2\n3\n",
		"frames":  strings.Replace(head, "/?", "/?decompress=1&", 1) + "Content-Length: 6\r\n\r\n1\n2\n3\n",
	} {
		if got := raw(t, server, request); got != "HTTP/1.1 400 Bad Request" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := devtest.Exec(t, server, "SELECT count() FROM t", "database", db); got != "0" {
		t.Fatalf("rows of cut inserts: %s", got)
	}
	if got := raw(t, server, head+"Content-Length: 6\r\n\r\n1\n2\n3\n"); got != "HTTP/1.1 200 OK" {
		t.Errorf("whole body: %s", got)
	}
	if got := devtest.Exec(t, server, "SELECT count() FROM t", "database", db); got != "3" {
		t.Fatalf("rows of the whole insert: %s", got)
	}
}

func TestClientThatLeavesEndsItsSelect(t *testing.T) {
	server := devtest.ClickHouse(t)
	running := func(id string) string {
		return devtest.Exec(t, server, "SELECT count() FROM system.processes WHERE Settings['log_comment'] = '"+id+"'")
	}
	for name, sql := range map[string]string{
		"streamed": "SELECT number, sleepEachRow(0.001) FROM numbers(100000000) FORMAT TSV SETTINGS max_block_size = 100",
		"silent":   "SELECT sum(sleepEachRow(0.001)) FROM numbers(100000000) FORMAT TSV SETTINGS max_block_size = 100, function_sleep_max_microseconds_per_block = 0",
		"buffered": "SELECT sum(sleepEachRow(0.001)) FROM numbers(100000000) FORMAT JSON SETTINGS max_block_size = 100, function_sleep_max_microseconds_per_block = 0",
	} {
		t.Run(name, func(t *testing.T) {
			id := "storepulse/test/" + name
			leave := begin(t, server, id, sql)
			wait(t, "the statement to run", func() bool { return running(id) == "1" })
			leave()
			wait(t, "the statement to end", func() bool { return running(id) == "0" })
		})
	}
}

// begin is a client that runs a statement until it leaves.
func begin(t *testing.T, server, id, sql string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/?query_id="+url.QueryEscape(id), strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	return func() { cancel(); <-left }
}

// Two clients may call their statements by one name: who leaves ends its own.
func TestClientThatLeavesEndsNobodyElsesSelect(t *testing.T) {
	server := devtest.ClickHouse(t)
	running := func(want string) func() bool {
		return func() bool {
			return want == devtest.Exec(t, server, "SELECT arrayStringConcat(arraySort(groupArray(concat(extract(query, '\\'(\\w+)\\''), ' ', toString(is_cancelled)))), ', ') FROM system.processes WHERE Settings['log_comment'] = 'shared'")
		}
	}
	called := func(name string) (leave func()) {
		return begin(t, server, "shared", "SELECT '"+name+"', sum(sleepEachRow(0.001)) FROM numbers(100000000) FORMAT JSON SETTINGS max_block_size = 100, function_sleep_max_microseconds_per_block = 0")
	}
	stays, leaves := called("stays"), called("leaves")
	wait(t, "both to run", running("leaves 0, stays 0"))
	leaves()
	wait(t, "one to run on", running("stays 0"))
	stays()
	wait(t, "the other to end", running(""))
}

// What an INSERT is checked against may take its time: the fence reads a table.
func TestInsertWithASlowConstraint(t *testing.T) {
	server := devtest.ClickHouse(t)
	db := devtest.Database(t, server)
	devtest.Exec(t, server, "CREATE TABLE t (a UInt32, CONSTRAINT c CHECK a IN (SELECT 1 + sum(sleepEachRow(0.1)) FROM numbers(5))) ENGINE = MergeTree ORDER BY a", "database", db)
	for _, sql := range []string{"INSERT INTO t VALUES (1)", "INSERT INTO t FORMAT CSV\n1\n", "INSERT INTO t SELECT 1"} {
		devtest.Exec(t, server, sql, "database", db)
	}
	if got := devtest.Exec(t, server, "SELECT count() FROM t", "database", db); got != "3" {
		t.Errorf("%s rows stand", got)
	}
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestStatementsAndErrors(t *testing.T) {
	server := devtest.ClickHouse(t)
	db := devtest.Database(t, server)
	f := func(method, params, body, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server+"/?database="+db+"&"+params, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%d %s", resp.StatusCode, b)
		if code := resp.Header.Get("X-ClickHouse-Exception-Code"); code != "" {
			got = fmt.Sprintf("%d code %s", resp.StatusCode, code)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s %s %s (-got, +want):\n%s", method, params, body, diff)
		}
	}
	f("POST", "", "CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a", "200 ")
	f("POST", "query=INSERT+INTO+t+VALUES", "(1, 'one'), (2, upper('two'))", "200 ")
	f("POST", "", "INSERT INTO t VALUES (3, 'blank\n\nline')", "200 ")
	f("POST", "", "INSERT INTO t FORMAT JSONEachRow\n{\"a\":4,\"b\":\"four\"}\n", "200 ")
	f("POST", "param_x=3", "SELECT b FROM t WHERE a >= {x:UInt32} ORDER BY a FORMAT JSONEachRow", "200 {\"b\":\"blank\\n\\nline\"}\n{\"b\":\"four\"}\n")
	f("GET", "query=SELECT+sum(a)+FROM+t", "", "200 10\n")
	f("GET", "query=DROP+TABLE+t", "", "500 code 164")
	f("POST", "query=SELECT+a&default_format=CSV", "FROM t LIMIT 1", "200 1\n")
	f("POST", "", "SELECT a FROM t WHERE a = 9 FORMAT TSVWithNames", "200 a\n")
	f("POST", "", "SELECT * FROM nowhere", "404 code 60")
	f("POST", "", "SELEC 1", "400 code 62")
	f("POST", "no_such_setting=1", "SELECT 1", "404 code 115")
	f("POST", "", "SELECT 1", "200 1\n")
	f("POST", "max_threads=1", "SELECT getSetting('max_threads')", "200 1\n")
	f("POST", "", "SELECT getSetting('max_threads') = 1", "200 0\n")
	f("POST", "", "SET max_threads = 1", "200 ")
	f("POST", "", "SELECT getSetting('max_threads') = 1", "200 0\n")
	f("POST", "", "KILL QUERY WHERE query_id = 'x' SYNC", "501 code 48")
	f("POST", "session_id=x", "SELECT 1", "501 code 48")
	f("POST", "param_x="+strings.Repeat("x", 128<<10+1), "SELECT length({x:String})", "500 code 1000")
	f("POST", "param_x="+strings.Repeat("x", 128<<10), "SELECT length({x:String})", "200 131072\n")
	f("POST", "", "INSERT INTO t FORMAT CSV\nz,z\n", "400 code 27")
	f("POST", "", "INSERT INTO t (nope) FORMAT CSV\n1\n", "500 code 16")
	f("PUT", "", "SELECT 1", "405 use GET or POST\n")
}

// A failure in the middle of a result must not look like its end.
func TestErrorInTheMiddleBreaksTheConnection(t *testing.T) {
	server := devtest.ClickHouse(t)
	resp, err := devtest.HTTP.Post(server, "text/plain", strings.NewReader("SELECT throwIf(number = 3000000, 'too far') FROM numbers(4000000)"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil || !strings.Contains(string(b), "__exception__\r\nCode: 395.") {
		t.Fatalf("error %v, the body ends with %q", err, b[max(0, len(b)-200):])
	}
}

// More clients than statements may run wait for their turn, each with its own settings.
func TestManyClients(t *testing.T) {
	server := devtest.ClickHouse(t)
	errs := make(chan error)
	for i := range 80 {
		go func() {
			want := fmt.Sprintf("client %d", i)
			got, err := devtest.TryExec(server, "SELECT getSetting('log_comment'), sleep(0.05) FORMAT CSV", "log_comment", want)
			if err == nil && got != `"`+want+`",0` {
				err = fmt.Errorf("got %q, want the comment %q", got, want)
			}
			errs <- err
		}()
	}
	for range 80 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
