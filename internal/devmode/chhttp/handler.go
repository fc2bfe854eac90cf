// Package chhttp is ClickHouse's HTTP interface over an engine in the same
// process. New returns an http.Handler that starts nothing; its user serves it
// and calls Close when no request runs any more.
//
// Not there: users and passwords, sessions, external tables. Query ids cannot
// be given to the engine; they appear as log_comment in system.processes.
package chhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/chdb"
)

const (
	// maxStatement bounds an SQL text; data of an INSERT does not count.
	maxStatement = 16 << 20
	// maxInsert bounds the unpacked body of one INSERT.
	maxInsert = 4 << 30
	// maxStatements run at the same time; more wait for waitForSeat.
	maxStatements = 32
	waitForSeat   = 30 * time.Second
	// receiveTimeout bounds the wait for the next piece of an INSERT's body:
	// what the engine checked when the insert began must not be trusted for ever.
	receiveTimeout = 30 * time.Second
	// killEvery: how often the statement of a client that has left is told to end.
	killEvery = 200 * time.Millisecond
	// never, in microseconds, is when the engine asks whether an INSERT's sender
	// has cancelled it. Asked while a constraint's subquery runs, which a busy
	// machine makes longer than the 0.1 s between two questions, it believes that
	// every streamed INSERT was. KILL QUERY does not wait for the question.
	never = "86400000000"
)

// Handler serves the interface.
type Handler struct {
	log     *slog.Logger
	pool    *pool
	version string
	zone    string
}

// New opens one connection to learn the engine's version, so that a broken
// data directory is found before the first request.
func New(dial func() (*chdb.Conn, error), log *slog.Logger) (*Handler, error) {
	h := &Handler{log: log, pool: newPool(maxStatements, waitForSeat, dial)}
	s, err := h.pool.get(context.Background(), "", map[string]string{})
	if err != nil {
		return nil, err
	}
	defer h.pool.put(s)
	_, err = s.conn.Query([]byte("SELECT version(), timezone()"), "TSV", nil, func(b []byte) error {
		version, zone, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\t"))
		h.version, h.zone = string(version), string(zone)
		return nil
	})
	return h, err
}

// Version of the engine.
func (h *Handler) Version() string { return h.version }

// Close waits for running statements until ctx ends and closes the connections.
func (h *Handler) Close(ctx context.Context) error { return h.pool.close(ctx) }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
	case "/ping", "/replicas_status":
		_, _ = io.WriteString(w, "Ok.\n")
		return
	default:
		http.Error(w, "There is no handle "+r.URL.Path+"\n\nUse / or /ping for health checks.", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodHead {
		http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
		return
	}
	q := parseRequest(r)
	o := &output{w: w, req: q}
	if q.encodings || q.format == "Native" {
		// clickhouse-go asks for an encoding without the setting that
		// switches it on, and takes the answer either way.
		o.accept = r.Header.Get("Accept-Encoding")
	}
	err := checkLengths(r)
	if err == nil {
		err = h.serve(w, r, q, o)
	}
	if err != nil {
		h.fail(w, o, err)
		return
	}
	_ = o.close() // the client is gone: nobody is left to tell
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, q *request, o *output) error {
	if q.session {
		return &statusError{http.StatusNotImplemented, 48, "sessions (session_id) are not kept by the embedded ClickHouse"}
	}
	r.Body = &arriving{r.Body, http.NewResponseController(w), receiveTimeout}
	body, err := decode(r, q.decompress)
	if err != nil {
		return &statusError{http.StatusBadRequest, 354, err.Error()}
	}
	sql, st, rest, err := readStatement(q.query, body)
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet && st.verb != "SELECT" && st.verb != "WITH" && st.verb != "SHOW" && st.verb != "DESCRIBE" && st.verb != "DESC" && st.verb != "EXPLAIN" && st.verb != "EXISTS" {
		q.settings["readonly"] = "2"
	}
	header := w.Header()
	header.Set("X-ClickHouse-Server-Display-Name", "storepulse embedded ClickHouse")
	header.Set("X-ClickHouse-Timezone", h.zone)
	if q.id != "" {
		header.Set("X-ClickHouse-Query-Id", q.id)
	}
	if isHello(sql) {
		b, err := hello(h.version, q.revision)
		if err != nil {
			return err
		}
		return o.write(b)
	}
	if st.verb == "KILL" && st.sync {
		return &statusError{http.StatusNotImplemented, 48, "KILL QUERY … SYNC never returns in the embedded ClickHouse; use ASYNC"}
	}
	if st.insert() {
		q.settings["interactive_delay"] = never
	}
	s, err := h.pool.get(r.Context(), q.database, q.settings)
	if err != nil {
		return err
	}
	defer func() { h.pool.put(s) }()
	if _, ok := q.settings["readonly"]; ok || st.state {
		s.spoiled = true // a read-only session cannot be made writable again
	}
	start := time.Now()
	if st.insert() {
		sum, err := insert(s.conn, sql[:st.cut], st.format, q.params, rest)
		if err != nil {
			return err
		}
		h.summary(w, sum, start)
		return nil
	}
	if st.format != "" {
		q.format = st.format
	}
	header.Set("X-ClickHouse-Format", q.format)
	header.Set("Content-Type", contentType(q.format))
	err = h.query(w, r, s, sql, st, q, o, start)
	if r.Context().Err() != nil {
		s.spoiled = true // ended from outside, in the middle of something
	}
	return err
}

func (h *Handler) query(w http.ResponseWriter, r *http.Request, s *session, sql []byte, st statement, q *request, o *output, start time.Time) error {
	done := h.watch(r.Context(), s)
	defer done()
	if streams(st.verb, q.format) {
		rows := false
		err := s.conn.Stream(sql, q.format, q.params, func(b []byte) error {
			rows = true
			if err := r.Context().Err(); err != nil {
				return err
			}
			return o.write(b)
		})
		if err != nil || rows || q.format != "Native" {
			return err
		}
		return o.write(emptyBlock(s.conn, sql, q.params))
	}
	sum, err := s.conn.Query(sql, q.format, q.params, func(b []byte) error {
		// Known only here, and before the first byte leaves.
		h.summary(w, chdb.Summary{}, start)
		return o.write(b)
	})
	if err == nil && !o.begun {
		h.summary(w, sum, start)
	}
	return err
}

// watch ends the session's statement when the client goes away. It says so
// more than once: the statement may not have begun when it is said first. The
// returned function must be called before the session is given back.
func (h *Handler) watch(ctx context.Context, s *session) func() {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-stop:
			return
		case <-ctx.Done():
		}
		again := time.NewTicker(killEvery)
		defer again.Stop()
		for {
			h.kill(s)
			select {
			case <-stop:
				return
			case <-again.C:
			}
		}
	}()
	return func() { close(stop); <-ended }
}

func (h *Handler) kill(s *session) {
	conn, err := h.pool.dial()
	if err != nil {
		return
	}
	defer conn.Close()
	// Not by the client's query id, which others may use at the same time.
	_, err = conn.Query([]byte("KILL QUERY WHERE Settings['"+tagSetting+"'] = "+quoteString(s.tag)+" ASYNC"), "Null", nil, nil)
	if err != nil {
		h.log.Warn("end the statement of a client that went away", "error", err)
	}
}

// insert pushes a body into the engine. A body that does not arrive whole is
// dropped: the client has been told nothing, and rows it may send again must
// not stand already.
func insert(conn *chdb.Conn, sql []byte, format string, params []chdb.Param, body io.Reader) (chdb.Summary, error) {
	ins, err := conn.Insert(sql, format, params)
	if err != nil {
		return chdb.Summary{}, err
	}
	defer ins.Abort()
	buf := make([]byte, 256<<10)
	for total := 0; ; {
		n, err := body.Read(buf)
		if total += n; total > maxInsert {
			return chdb.Summary{}, &statusError{http.StatusRequestEntityTooLarge, 241, "the body of one INSERT is limited to 4 GiB here"}
		}
		if e := ins.Append(buf[:n]); e != nil {
			return chdb.Summary{}, e
		}
		if errors.Is(err, io.EOF) {
			return ins.Commit()
		}
		if err != nil {
			return chdb.Summary{}, &statusError{http.StatusBadRequest, 33, "the body of the INSERT did not arrive whole, nothing was inserted: " + err.Error()}
		}
	}
}

// readStatement joins the statement's parts in URL and body. rest holds an
// INSERT's data.
func readStatement(url string, body io.Reader) (sql []byte, st statement, rest io.Reader, err error) {
	if url != "" {
		sql = []byte(url)
		if st = parse(sql); st.insert() {
			rest = body
			if inline := bytes.TrimSpace(sql[st.data:]); len(inline) > 0 {
				rest = io.MultiReader(bytes.NewReader(sql[st.data:]), body)
			}
			return sql, st, rest, nil
		}
		sql = append(sql, '\n')
	}
	// An INSERT's data may follow its statement in the body. It is enough to
	// find where it begins.
	chunk := make([]byte, 64<<10)
	for {
		n, err := body.Read(chunk)
		sql = append(sql, chunk[:n]...)
		if errors.Is(err, io.EOF) {
			st = parse(sql)
			break
		}
		if err != nil {
			return nil, st, nil, &statusError{http.StatusBadRequest, 33, "the statement did not arrive whole: " + err.Error()}
		}
		if len(sql) > maxStatement {
			return nil, st, nil, &statusError{http.StatusRequestEntityTooLarge, 62, fmt.Sprintf("a statement is limited to %d bytes here", maxStatement)}
		}
		if len(sql) < 64<<10 {
			continue // read a little more before looking: a word must not be cut
		}
		if st = parse(sql); st.insert() {
			break
		}
	}
	if st.insert() {
		return sql, st, io.MultiReader(bytes.NewReader(sql[st.data:]), body), nil
	}
	return sql, st, nil, nil
}

func (h *Handler) summary(w http.ResponseWriter, s chdb.Summary, start time.Time) {
	b, err := json.Marshal(map[string]string{
		"read_rows": u(s.RowsRead), "read_bytes": u(s.BytesRead),
		"written_rows": u(s.RowsWritten), "written_bytes": u(s.BytesWritten),
		"elapsed_ns": strconv.FormatInt(time.Since(start).Nanoseconds(), 10),
	})
	if err == nil {
		w.Header().Set("X-ClickHouse-Summary", string(b))
	}
}

func u(n uint64) string { return strconv.FormatUint(n, 10) }
