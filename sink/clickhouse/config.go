package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// Config says where the server is and as whom to speak to it.
type Config struct {
	URL          string `yaml:"url"`
	Database     string `yaml:"database"`
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	TLS          TLS    `yaml:"tls"`

	// Topics are kafka.topics: rows name their topic in full.
	Topics [schemas.NumTopics]string `yaml:"-" json:"-"`

	// Password comes from the environment only, so that no secret lies in a
	// configuration file; PasswordFile wins over it.
	Password string `yaml:"-" json:"-"`
}

// TLS is used when the URL says https.
type TLS struct {
	CAFile             string `yaml:"ca_file"`              // empty: the system's
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"` // for tests with self-signed certificates
}

// DefaultConfig is a server on this machine.
func DefaultConfig() Config {
	return Config{
		URL: "http://127.0.0.1:8123", Database: "storepulse", User: "default",
		Topics: [schemas.NumTopics]string{"ecom.clickstream.v1", "ecom.orders.v1"},
	}
}

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// Validate reports all faults, joined.
func (c Config) Validate() error {
	var errs []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil: // the text of err repeats the URL, which may hold a password
		errs = append(errs, errors.New("sink.clickhouse.url: not a URL"))
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		errs = append(errs, fmt.Errorf("sink.clickhouse.url: want http://host:8123 or https://host:8443 (got %q)", u.Redacted()))
	case u.User != nil:
		errs = append(errs, errors.New("sink.clickhouse.url: must hold no user or password; use sink.clickhouse.user and sink.clickhouse.password_file"))
	case u.RawQuery != "" || strings.Trim(u.Path, "/") != "":
		errs = append(errs, fmt.Errorf("sink.clickhouse.url: must have no path or query (got %q)", u.Redacted()))
	}
	if !databaseName.MatchString(c.Database) {
		errs = append(errs, fmt.Errorf("sink.clickhouse.database: must match %s (got %q)", databaseName, c.Database))
	}
	if u != nil && u.Scheme != "https" && (c.TLS.CAFile != "" || c.TLS.InsecureSkipVerify) {
		errs = append(errs, errors.New("sink.clickhouse.tls: set, but sink.clickhouse.url is not https"))
	}
	return errors.Join(errs...)
}

func (c Config) password() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("sink.clickhouse.password_file: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// tls gives nil for plain HTTP.
func (c Config) tls() (*tls.Config, error) {
	if !strings.HasPrefix(c.URL, "https:") {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.TLS.InsecureSkipVerify}
	if c.TLS.CAFile != "" {
		pem, err := os.ReadFile(c.TLS.CAFile)
		if err != nil {
			return nil, fmt.Errorf("sink.clickhouse.tls.ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("sink.clickhouse.tls.ca_file: %s has no PEM certificate", c.TLS.CAFile)
		}
	}
	return t, nil
}
