package obs

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/prometheus/exporter-toolkit/web"
)

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // auto, text, json; auto is text on a terminal
}

// DefaultLogConfig is info and above, readable on a terminal, JSON elsewhere.
func DefaultLogConfig() LogConfig { return LogConfig{Level: "info", Format: "auto"} }

// Validate reports every fault.
func (c LogConfig) Validate() error {
	var errs []error
	if _, err := c.level(); err != nil {
		errs = append(errs, err)
	}
	if !slices.Contains([]string{"auto", "text", "json"}, c.Format) {
		errs = append(errs, fmt.Errorf("log.format: must be auto, text or json (got %q)", c.Format))
	}
	return errors.Join(errs...)
}

func (c LogConfig) level() (slog.Level, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	l, ok := levels[c.Level]
	if !ok {
		return 0, fmt.Errorf("log.level: must be debug, info, warn or error (got %q)", c.Level)
	}
	return l, nil
}

// HTTPConfig says where the program shows its metrics and health.
type HTTPConfig struct {
	Listen        string `yaml:"listen"`          // host:port; loopback unless asked otherwise
	WebConfigFile string `yaml:"web_config_file"` // TLS and basic auth, format of the Prometheus exporter toolkit
	Pprof         bool   `yaml:"pprof"`           // serve /debug/pprof
}

// DefaultHTTPConfig listens on loopback only: metrics tell a shop's turnover.
func DefaultHTTPConfig() HTTPConfig { return HTTPConfig{Listen: "127.0.0.1:9464"} }

// Validate reports every fault. The web configuration file is read, too.
func (c HTTPConfig) Validate() error {
	var errs []error
	if _, port, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("http.listen: must be host:port (got %q)", c.Listen))
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		errs = append(errs, fmt.Errorf("http.listen: must end in a port number or the name of a service (got %q)", c.Listen))
	}
	if c.WebConfigFile != "" {
		if err := web.Validate(c.WebConfigFile); err != nil {
			errs = append(errs, fmt.Errorf("http.web_config_file: must be a readable exporter-toolkit web configuration (got %q): %w", c.WebConfigFile, err))
		}
	}
	return errors.Join(errs...)
}
