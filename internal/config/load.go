package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Load reads defaults, then the file, then the environment, and checks the
// result. An empty path means no file. All faults are reported together; the
// configuration is only good if there are none.
func Load(path string, environ []string) (Config, error) {
	c := Default()
	var faults []error
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("read configuration: %w", err)
		}
		d := &decoder{file: filepath.Base(path)}
		d.decode(text, &c)
		faults = d.faults
	}
	faults = append(faults, applyEnv(&c, environ)...)
	c.Sink.ClickHouse.Password = password(environ)
	// Checked even so: a key that could not be read keeps its good default, and
	// the operator sees the rest of the faults as well.
	if err := c.Validate(); err != nil {
		faults = append(faults, err)
	}
	return c, errors.Join(faults...)
}

// passwordEnv is the only secret that the environment may hold; it is no key,
// so that it cannot stand in a file or in a dump.
const passwordEnv = envPrefix + "SINK_CLICKHOUSE_PASSWORD"

func password(environ []string) string {
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, passwordEnv+"="); ok {
			return value
		}
	}
	return ""
}
