package eyes

import (
	"log/slog"
	"testing"

	alertmanager "github.com/prometheus/alertmanager/config"
	prometheus "github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns" // dns_sd_configs
)

// TestStackAccepted: the releases that compose.yaml pins read what they are
// given; promtool and amtool of the distribution are older.
func TestStackAccepted(t *testing.T) {
	p := composed(t)
	file := inContainer(t, p.Services["prometheus"], "/etc/prometheus/prometheus.yml")
	if _, err := prometheus.LoadFile(file, false, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if _, err := alertmanager.LoadFile(inContainer(t, p.Services["alertmanager"], "/etc/alertmanager/alertmanager.yml")); err != nil {
		t.Error(err)
	}
}
