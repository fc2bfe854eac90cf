package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// TLSConfig says how to talk to brokers that expect TLS. Without ca_file the
// system's authorities are trusted.
type TLSConfig struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

func (t TLSConfig) validate() (errs []error) {
	if !t.Enabled && (t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.ServerName != "") {
		errs = append(errs, errors.New("kafka.tls.enabled: must be true when other keys of kafka.tls are set"))
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("kafka.tls.cert_file: must be set together with kafka.tls.key_file"))
	}
	return errs
}

func (t TLSConfig) load() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka.tls.ca_file: no certificate in %s: it must be PEM", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.cert_file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// SASLConfig says who we are. The password is never in the configuration, only
// the file that holds it.
type SASLConfig struct {
	Mechanism    string `yaml:"mechanism"` // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; empty for none
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
}

func (s SASLConfig) validate() (errs []error) {
	switch s.Mechanism {
	case "":
		if s.User != "" || s.PasswordFile != "" {
			errs = append(errs, errors.New("kafka.sasl.mechanism: must be set when kafka.sasl.user is"))
		}
		return errs
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
	default:
		errs = append(errs, fmt.Errorf("kafka.sasl.mechanism: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (got %q)", s.Mechanism))
	}
	if s.User == "" {
		errs = append(errs, errors.New("kafka.sasl.user: must not be empty"))
	}
	if s.PasswordFile == "" {
		errs = append(errs, errors.New("kafka.sasl.password_file: must name a file that holds the password"))
	}
	return errs
}

func (s SASLConfig) load() (sasl.Mechanism, error) {
	if s.Mechanism == "" {
		return nil, nil
	}
	b, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("kafka.sasl.password_file: %w", err)
	}
	password := strings.TrimRight(string(b), "\r\n")
	if password == "" {
		return nil, fmt.Errorf("kafka.sasl.password_file: %s is empty", s.PasswordFile)
	}
	switch s.Mechanism {
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, s.User, password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, s.User, password)
	}
	return plain.Mechanism{Username: s.User, Password: password}, nil
}
