package obs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// Login is who asks a server whose web configuration has basic_auth_users:
// that file holds hashes only, so it does not tell.
type Login struct{ User, Password string }

// Probe asks the server that runs with cfg on this machine whether it is ready,
// and gives what it says. An error is an answer other than "ready", or none.
func Probe(ctx context.Context, cfg HTTPConfig, login Login) (string, error) {
	address, err := dialAddress(cfg.Listen)
	if err != nil {
		return "", err
	}
	own, err := ownCertificate(cfg.WebConfigFile)
	if err != nil {
		return "", err
	}
	scheme, transport := "http", &http.Transport{DisableKeepAlives: true} // no proxy: it is this machine
	if own != nil {
		scheme, transport.TLSClientConfig = "https", pinned(*own)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/readyz", nil)
	if err != nil {
		return "", fmt.Errorf("ask %s whether it is ready: %w", address, err)
	}
	if login.User != "" {
		req.SetBasicAuth(login.User, login.Password)
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		var cause *url.Error // it would say the address a second time
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", fmt.Errorf("ask %s whether it is ready: %w", address, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return "", fmt.Errorf("ask %s whether it is ready: %w", address, err)
	}
	text := strings.TrimSpace(string(body))
	switch {
	case res.StatusCode == http.StatusOK:
		return text, nil
	case res.StatusCode == http.StatusUnauthorized && login.User == "":
		return "", fmt.Errorf("%s wants a login: give --user and --password-file", req.URL)
	case res.StatusCode == http.StatusServiceUnavailable:
		return "", errors.New(text)
	}
	return "", fmt.Errorf("%s answers %s: %s", req.URL, res.Status, text)
}

// dialAddress is where a server that listens there is reached from here.
func dialAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("http.listen: must be host:port (got %q)", listen)
	}
	n, err := net.LookupPort("tcp", port)
	if err != nil || n == 0 {
		return "", fmt.Errorf("http.listen: needs a fixed port to be asked (got %q)", listen)
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "":
		host = "localhost"
	case err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, fmt.Sprint(n)), nil
}

// ownCertificate reads the key pair that the server shows; nil without TLS.
func ownCertificate(file string) (*tls.Certificate, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("http.web_config_file: %w", err)
	}
	var web struct {
		TLS struct {
			Cert     string `yaml:"cert"`
			Key      string `yaml:"key"`
			CertFile string `yaml:"cert_file"`
			KeyFile  string `yaml:"key_file"`
		} `yaml:"tls_server_config"`
	}
	if err := yaml.Unmarshal(text, &web); err != nil {
		return nil, fmt.Errorf("http.web_config_file: %w", err)
	}
	part := func(inline, path string) ([]byte, error) {
		if path == "" {
			return []byte(inline), nil
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path) // as the server does
		}
		return os.ReadFile(path)
	}
	cert, err := part(web.TLS.Cert, web.TLS.CertFile)
	if err != nil {
		return nil, fmt.Errorf("http.web_config_file: %w", err)
	}
	if len(cert) == 0 {
		return nil, nil
	}
	key, err := part(web.TLS.Key, web.TLS.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("http.web_config_file: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("http.web_config_file: %w", err)
	}
	return &pair, nil
}

// pinned trusts exactly the server's own certificate: its names are those by
// which others reach it, not this machine. A server that wants a client
// certificate is shown the same one.
func pinned(own tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		Certificates:       []tls.Certificate{own},
		InsecureSkipVerify: true, // VerifyConnection is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, own.Certificate[0]) {
				return errors.New("somebody else answers: the certificate is not that of http.web_config_file")
			}
			return nil
		},
	}
}
