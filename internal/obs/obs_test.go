package obs_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/storepulse/storepulse/internal/obs"
)

func TestThrottledSaysHowManyWereDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		noTime := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
		log := obs.Throttled(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: noTime})), time.Minute)
		lane := log.With("lane", 7)
		log.Warn("fetch failed", "try", 1)
		lane.Warn("fetch failed", "try", 2) // the same line: attributes do not count
		log.Error("fetch failed", "try", 3) // another level is another line
		log.Warn("insert failed")           // another message
		<-time.After(59 * time.Second)
		log.Warn("fetch failed", "try", 4)
		<-time.After(time.Second)
		lane.Warn("fetch failed", "try", 5)
		<-time.After(time.Minute)
		log.Warn("fetch failed", "try", 6)
		want := "level=WARN msg=\"fetch failed\" try=1\n" +
			"level=ERROR msg=\"fetch failed\" try=3\n" +
			"level=WARN msg=\"insert failed\"\n" +
			"level=WARN msg=\"fetch failed\" lane=7 try=5 dropped=2\n" +
			"level=WARN msg=\"fetch failed\" try=6\n"
		if diff := cmp.Diff(out.String(), want); diff != "" {
			t.Errorf("log (-got, +want):\n%s", diff)
		}
	})
}

func TestLoggerFormatAndLevel(t *testing.T) {
	for _, c := range []struct {
		cfg  obs.LogConfig
		want string // prefix of the only line
	}{
		{obs.DefaultLogConfig(), `{"time":`},
		{obs.LogConfig{Level: "info", Format: "json"}, `{"time":`},
		{obs.LogConfig{Level: "info", Format: "text"}, `time=`},
	} {
		var out bytes.Buffer
		log := obs.NewLogger(&out, c.cfg)
		log.Debug("not shown")
		log.Info("shown")
		if got := out.String(); !strings.HasPrefix(got, c.want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%+v writes %q, want one line that begins with %s", c.cfg, got, c.want)
		}
	}
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func newServer(cfg obs.HTTPConfig, ready func() error) *obs.Server {
	reg := obs.NewRegistry(obs.Build{Version: "v1", Revision: "abc", GoVersion: "go9"})
	return obs.NewServer(cfg, slog.New(slog.DiscardHandler), reg, ready)
}

func TestPages(t *testing.T) {
	var waiting error
	h := newServer(obs.DefaultHTTPConfig(), func() error { return waiting }).Handler()
	expect := func(path string, code int, text string) {
		t.Helper()
		if c, body := get(t, h, path); c != code || !strings.Contains(body, text) {
			t.Errorf("GET %s = %d %q, want %d with %q", path, c, body, code, text)
		}
	}
	expect("/metrics", 200, `ecom_build_info{go_version="go9",revision="abc",version="v1"} 1`)
	expect("/metrics", 200, "go_goroutines")
	expect("/healthz", 200, "ok")
	expect("/readyz", 200, "ready")
	waiting = errors.New("no lanes are assigned yet")
	expect("/readyz", 503, "not ready: no lanes are assigned yet")
	expect("/healthz", 200, "ok")
	expect("/", 200, "/metrics")
	expect("/debug/pprof/", 404, "")
	h = newServer(obs.HTTPConfig{Listen: "127.0.0.1:0", Pprof: true}, func() error { return nil }).Handler()
	expect("/debug/pprof/", 200, "goroutine")
}

// start runs a server and gives its URL without scheme; the server is stopped
// and must have ended well when the test is over.
func start(t *testing.T, cfg obs.HTTPConfig) string {
	t.Helper()
	return serveReady(t, cfg, func() error { return nil })
}

func serveReady(t *testing.T, cfg obs.HTTPConfig, ready func() error) string {
	t.Helper()
	s := newServer(cfg, ready)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run = %v after its context ended, want nil", err)
			}
		case <-time.After(time.Minute):
			t.Error("Run goes on after its context ended")
		}
	})
	addr, err := s.Addr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

func TestRunServesAndStops(t *testing.T) {
	addr := start(t, obs.HTTPConfig{Listen: "127.0.0.1:0"})
	resp, err := (&http.Client{Timeout: time.Minute}).Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "ok\n" {
		t.Errorf("/healthz = %q, want ok", body)
	}
}

func TestRunNamesTheAddressThatIsTaken(t *testing.T) {
	addr := start(t, obs.HTTPConfig{Listen: "127.0.0.1:0"})
	err := newServer(obs.HTTPConfig{Listen: addr}, nil).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "http.listen") {
		t.Errorf("second server on %s: %v; want an error that names the address and the key", addr, err)
	}
}

func TestBasicAuthGuardsEveryPage(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, []byte("basic_auth_users:\n  scraper: "+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := obs.HTTPConfig{Listen: "127.0.0.1:0", WebConfigFile: file}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	addr := start(t, cfg)
	for _, c := range []struct {
		password string
		want     int
	}{{"", 401}, {"wrong", 401}, {"secret", 200}} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
		if c.password != "" {
			req.SetBasicAuth("scraper", c.password)
		}
		resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("password %q: status %d, want %d", c.password, resp.StatusCode, c.want)
		}
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{
		"cert.pem": certPEM,
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		"web.yaml": []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"), // beside the file
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := obs.HTTPConfig{Listen: "127.0.0.1:0", WebConfigFile: filepath.Join(dir, "web.yaml")}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	addr := start(t, cfg)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("https://" + addr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz over TLS: status %d, want 200", resp.StatusCode)
	}
}

func TestValidateReportsEveryFault(t *testing.T) {
	err := errors.Join(
		obs.LogConfig{Level: "loud", Format: "xml"}.Validate(),
		obs.HTTPConfig{Listen: "9464", WebConfigFile: "/no/such/file"}.Validate(),
	)
	for _, want := range []string{
		`log.level: must be debug, info, warn or error (got "loud")`, `log.format: must be auto, text or json (got "xml")`,
		`http.listen: must be host:port (got "9464")`, `http.web_config_file: must be`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %q in:\n%v", want, err)
		}
	}
	if err := errors.Join(obs.DefaultLogConfig().Validate(), obs.DefaultHTTPConfig().Validate()); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestReadBuildFillsTheGaps(t *testing.T) {
	if b := obs.ReadBuild("v1.2.3"); b.Version != "v1.2.3" || b.Revision == "" || !strings.HasPrefix(b.GoVersion, "go") {
		t.Errorf("ReadBuild = %+v", b)
	}
	if b := obs.ReadBuild(""); b.Version == "" {
		t.Errorf("ReadBuild without a version = %+v, want a word for it", b)
	}
}
