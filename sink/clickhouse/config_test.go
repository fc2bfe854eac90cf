package clickhouse

import (
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/storepulse/storepulse/schemas"
)

func TestConfigReportsAllFaults(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	cfg := Config{URL: "http://me:geheim@ch:8123", Database: "a b", TLS: TLS{CAFile: "x"}}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{"sink.clickhouse.url: must hold no user or password", "sink.clickhouse.database", "sink.clickhouse.tls"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	for _, url := range []string{"tcp://ch:9000", "ch:8123", "http://", "http://ch:8123/?database=x", "http://me:geheim@%zz"} {
		cfg := DefaultConfig()
		cfg.URL = url
		if err := cfg.Validate(); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("url %q: %v", url, err)
		}
	}
}

// The server repeats what it was sent; no error may repeat it to a log.
func TestNoErrorHoldsThePassword(t *testing.T) {
	var key, user string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("query") != "" {
			key, user = r.Header.Get("X-ClickHouse-Key"), r.Header.Get("X-ClickHouse-User")
		}
		w.Header().Set("X-ClickHouse-Exception-Code", "516")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "Code: 516. DB::Exception: geheim: Authentication failed")
	}))
	defer server.Close()
	dir := t.TempDir()
	ca, secret := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "password")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, []byte("geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.URL, cfg.User, cfg.PasswordFile, cfg.TLS.CAFile = server.URL, "writer", secret, ca
	c, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, migrate := c.Migrate(t.Context())
	_, standing := c.Standing(t.Context(), schemas.FactEvents, schemas.Stamp{})
	for what, err := range map[string]error{
		"insert":  c.InsertColumns(t.Context(), "q", "t", "lanes", 1, []Column{{Name: "lane", Type: "UInt32", Data: []byte{1, 0, 0, 0}}}),
		"ping":    c.Ping(t.Context()),
		"migrate": migrate, "standing": standing, "schema": c.CheckSchema(t.Context()),
	} {
		if err == nil || strings.Contains(err.Error(), "geheim") || !strings.Contains(err.Error(), "uthentication") {
			t.Errorf("%s: %v", what, err)
		}
	}
	var e *ch.Exception
	if !errors.As(standing, &e) || e.Code != 516 {
		t.Errorf("the error has lost its code: %v", standing)
	}
	if key != "geheim" || user != "writer" {
		t.Errorf("the server was told %q and %q", user, key)
	}
	cfg.TLS.CAFile = ""
	if c, err = New(cfg, slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "check sink.clickhouse.tls") {
		t.Errorf("a certificate nobody knows: %v", err)
	}
}
