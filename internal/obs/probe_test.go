package obs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/storepulse/storepulse/internal/obs"
)

// webConfig writes a web configuration with a certificate for another name than
// this machine's, and gives its path.
func webConfig(t *testing.T, tls, more string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"worker.example"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		"web.yaml": []byte(tls + more),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "web.yaml")
}

func TestProbe(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	const overTLS = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
	const mutual = "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem, client_auth_type: RequireAndVerifyClientCert}\n"
	users := "basic_auth_users: {probe: " + string(hash) + "}\n"
	for _, c := range []struct {
		name, web string
		login     obs.Login
		waits     error
		want      string // of the text or, with a leading !, of the error
	}{
		{name: "plain", want: "ready"},
		{name: "not ready", waits: errors.New("no lanes yet"), want: "!not ready: no lanes yet"},
		{name: "tls", web: webConfig(t, overTLS, ""), want: "ready"},
		{name: "client certificate", web: webConfig(t, mutual, ""), want: "ready"},
		{name: "login", web: webConfig(t, "", users), login: obs.Login{User: "probe", Password: "secret"}, want: "ready"},
		{name: "no login", web: webConfig(t, overTLS, users), want: "!give --user and --password-file"},
		{name: "wrong login", web: webConfig(t, overTLS, users), login: obs.Login{User: "probe", Password: "guess"}, want: "!401"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := obs.HTTPConfig{Listen: "127.0.0.1:0", WebConfigFile: c.web}
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			cfg.Listen = serveReady(t, cfg, func() error { return c.waits })
			checkProbe(t, cfg, c.login, c.want)
		})
	}
}

// TestProbeTrustsItsOwnCertificateOnly: another program on the port is not the worker.
func TestProbeTrustsItsOwnCertificateOnly(t *testing.T) {
	const overTLS = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
	addr := start(t, obs.HTTPConfig{Listen: "127.0.0.1:0", WebConfigFile: webConfig(t, overTLS, "")})
	checkProbe(t, obs.HTTPConfig{Listen: addr, WebConfigFile: webConfig(t, overTLS, "")}, obs.Login{}, "!somebody else answers")
}

func TestProbeFindsTheAddress(t *testing.T) {
	_, port, err := net.SplitHostPort(start(t, obs.HTTPConfig{Listen: "127.0.0.1:0"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, listen := range []string{"0.0.0.0:" + port, ":" + port, "localhost:" + port} {
		checkProbe(t, obs.HTTPConfig{Listen: listen}, obs.Login{}, "ready")
	}
	checkProbe(t, obs.HTTPConfig{Listen: "127.0.0.1:0"}, obs.Login{}, "!needs a fixed port")
	checkProbe(t, obs.HTTPConfig{Listen: "127.0.0.1:1"}, obs.Login{}, "!connection refused")
}

func checkProbe(t *testing.T, cfg obs.HTTPConfig, login obs.Login, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := obs.Probe(ctx, cfg, login)
	if part, fails := strings.CutPrefix(want, "!"); fails {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Probe(%s) = %q, %v; want an error with %q", cfg.Listen, got, err, part)
		}
	} else if err != nil || got != want {
		t.Errorf("Probe(%s) = %q, %v; want %q", cfg.Listen, got, err, want)
	}
}
