package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

// gate stands between a worker and ClickHouse and stops single inserts at an
// exact step, which no timing of signals could hit: before anything has
// reached the engine, after it has landed, or half-way through its body.
type gate struct {
	t      *testing.T
	engine *url.URL
	server *httptest.Server
	pass   *httputil.ReverseProxy
	client *http.Client
	mu     struct {
		sync.Mutex
		traps []*trap
	}
}

// trap waits for one insert and holds it.
type trap struct {
	g     *gate
	table string
	query string // what its query id begins with
	skip  int    // inserts to let through before
	act   func(tr *trap, w http.ResponseWriter, r *http.Request, body []byte)

	hit     chan *http.Request // the trapped insert, once
	release chan struct{}
	done    chan int // status of what was sent to the engine last
}

var insertInto = regexp.MustCompile("^INSERT INTO `[^`]+`\\.`([^`]+)`")

// newGate opens a gate before the engine at server.
func newGate(t *testing.T, server string) *gate {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true} // answers go back as they came
	g := &gate{t: t, engine: u, pass: httputil.NewSingleHostReverseProxy(u), client: &http.Client{Transport: transport}}
	g.pass.Transport = transport
	g.pass.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) } // as a broken connection
	g.server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(func() {
		g.mu.Lock()
		for _, tr := range g.mu.traps {
			tr.open()
		}
		g.mu.Unlock()
		g.server.CloseClientConnections()
		g.server.Close()
		transport.CloseIdleConnections()
	})
	return g
}

// env makes a worker go through the gate.
func (g *gate) env() string { return "STOREPULSE_SINK_CLICKHOUSE_URL=" + g.server.URL }

// trap holds the insert into table that comes after skip others; query, if not
// empty, is what its query id begins with.
func (g *gate) trap(table, query string, skip int, act func(*trap, http.ResponseWriter, *http.Request, []byte)) *trap {
	tr := &trap{g: g, table: table, query: query, skip: skip, act: act, hit: make(chan *http.Request, 1), release: make(chan struct{}), done: make(chan int, 1)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.traps = append(g.mu.traps, tr)
	return tr
}

func (g *gate) serve(w http.ResponseWriter, r *http.Request) {
	tr := g.caught(r)
	if tr == nil {
		g.pass.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	tr.act(tr, w, r, body)
}

func (g *gate) caught(r *http.Request) *trap {
	q := r.URL.Query()
	m := insertInto.FindStringSubmatch(q.Get("query"))
	if m == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, tr := range g.mu.traps {
		if m[1] != tr.table || len(q.Get("query_id")) < len(tr.query) || q.Get("query_id")[:len(tr.query)] != tr.query {
			continue
		}
		if tr.skip > 0 {
			tr.skip--
			return nil
		}
		g.mu.traps = append(g.mu.traps[:i:i], g.mu.traps[i+1:]...)
		g.t.Cleanup(tr.open)
		return tr
	}
	return nil
}

// await waits until the trap holds its insert.
func (tr *trap) await(p *process) *http.Request {
	tr.g.t.Helper()
	select {
	case r := <-tr.hit:
		return r
	case <-p.done:
		tr.g.t.Fatalf("worker ended before its insert into %s: %v\n%s", tr.table, p.err, p.log.tail(60))
	case <-time.After(patience):
		tr.g.t.Fatalf("no insert into %s came\n%s", tr.table, p.log.tail(60))
	}
	return nil
}

// open lets what is held go on.
func (tr *trap) open() {
	tr.g.mu.Lock()
	defer tr.g.mu.Unlock()
	select {
	case <-tr.release:
	default:
		close(tr.release)
	}
}

// finish opens the trap and gives the engine's answer to what was held.
func (tr *trap) finish() int {
	tr.g.t.Helper()
	tr.open()
	select {
	case status := <-tr.done:
		return status
	case <-time.After(patience):
		tr.g.t.Fatalf("the insert into %s that was held had no answer", tr.table)
	}
	return 0
}

// before: nothing of the insert reaches the engine until the trap is opened.
func before(tr *trap, w http.ResponseWriter, r *http.Request, body []byte) {
	tr.hit <- r
	select {
	case <-tr.release:
		tr.done <- tr.g.forward(w, r, bytes.NewReader(body))
	case <-r.Context().Done():
	}
}

// cut: the insert is in the table, and its sender never learns.
func cut(tr *trap, _ http.ResponseWriter, r *http.Request, body []byte) {
	status := tr.g.forward(httptest.NewRecorder(), r, bytes.NewReader(body))
	tr.hit <- r
	<-tr.release
	tr.done <- status
	panic(http.ErrAbortHandler)
}

// half: the engine has begun the insert and waits for the rest of its body
// until the trap is opened, whatever becomes of the sender.
func half(tr *trap, w http.ResponseWriter, r *http.Request, body []byte) {
	tr.done <- tr.g.halfway(tr, w, r, body)
}

// twice: the insert is in the table, its sender does not know yet, and a copy
// of it is half-way.
func twice(tr *trap, w http.ResponseWriter, r *http.Request, body []byte) {
	answer := httptest.NewRecorder()
	tr.g.forward(answer, r, bytes.NewReader(body))
	tr.done <- tr.g.halfway(tr, httptest.NewRecorder(), r, body)
	copyAnswer(w, answer)
}

func (g *gate) halfway(tr *trap, w http.ResponseWriter, r *http.Request, body []byte) int {
	pr, pw := io.Pipe()
	go func() {
		_, _ = pw.Write(body[:len(body)/2])
		<-tr.release
		_, _ = pw.Write(body[len(body)/2:])
		_ = pw.Close()
	}()
	go func() {
		g.begun(r.URL.Query().Get("log_comment"))
		tr.hit <- r
	}()
	return g.forward(w, r, pr)
}

// begun waits until the engine lists the insert: it has then passed the fence.
// One that never comes shows where the test waits for the trap.
func (g *gate) begun(comment string) {
	query := "SELECT count() FROM system.processes WHERE Settings['log_comment'] = '" + comment + "' AND startsWith(query, 'INSERT')"
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause(g.t, 10*time.Millisecond) {
		n, err := devtest.TryExec(g.engine.String(), query)
		if err != nil || n == "1" || g.t.Context().Err() != nil {
			return
		}
	}
}

// forward sends an insert to the engine, whatever becomes of its sender.
func (g *gate) forward(w http.ResponseWriter, r *http.Request, body io.Reader) int {
	target := *r.URL
	target.Scheme, target.Host = g.engine.Scheme, g.engine.Host
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, target.String(), body)
	if err != nil {
		g.t.Error(err)
		return 0
	}
	req.Header = r.Header.Clone()
	resp, err := g.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
	return resp.StatusCode
}

func copyAnswer(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// ofLane begins the query ids of a lane.
func ofLane(lane int) string { return fmt.Sprintf("storepulse/main/%d/", lane) }
