package chhttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// one is a listener with a single connection, which is there already.
type one struct {
	net.Listener
	conn chan net.Conn
}

func (o *one) Accept() (net.Conn, error) {
	if c, ok := <-o.conn; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (o *one) Close() error   { close(o.conn); return nil }
func (o *one) Addr() net.Addr { return &net.TCPAddr{} }

// The bound is for the body: a statement that takes longer, once its body is
// there, does not end the context of its connection.
func TestTheWaitForABodyEndsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const within = 30 * time.Second
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			before := r.Context().Err()
			body, err := io.ReadAll(&arriving{r.Body, http.NewResponseController(w), within})
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			time.Sleep(2 * within)
			if before != nil || r.Context().Err() != nil {
				t.Errorf("body %q: context %v before the body, %v after the statement", body, before, r.Context().Err())
			}
		})
		client, server := net.Pipe()
		l := &one{conn: make(chan net.Conn, 1)}
		l.conn <- server
		srv := &http.Server{Handler: handler}
		go func() { _ = srv.Serve(l) }()
		answers := bufio.NewReader(client)
		ask := func(request string) int {
			t.Helper()
			go func() { _, _ = io.WriteString(client, request) }()
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp.StatusCode
		}
		const head = "POST / HTTP/1.1\r\nHost: x\r\n"
		for _, request := range []string{head + "Content-Length: 3\r\n\r\none", head + "Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n", head + "Content-Length: 0\r\n\r\n"} {
			if status := ask(request); status != http.StatusOK {
				t.Errorf("%q: status %d", strings.TrimPrefix(request, head), status)
			}
		}
		if status := ask(head + "Content-Length: 3\r\n\r\non"); status != http.StatusBadRequest {
			t.Errorf("a body that stays away: status %d", status)
		}
		client.Close()
		srv.Close()
	})
}
