package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
)

// TestAShopIsRemoved: a shop leaves the configuration at a clean stop, unless it
// has open sessions; a drain closes them.
func TestAShopIsRemoved(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		file := filepath.Join(t.TempDir(), "tenants.yaml")
		if err := os.WriteFile(file, []byte("tenants:\n  default: {}\n  idle: {}\n  north: {timezone: Europe/Oslo, currency: NOK}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		three := append(s.env(), "STOREPULSE_CONFIG="+file)
		without := func(shop string) []string {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var rest []string
			for line := range strings.Lines(string(text)) {
				if !strings.HasPrefix(line, "  "+shop+":") {
					rest = append(rest, line)
				}
			}
			name := filepath.Join(t.TempDir(), "without-"+shop+".yaml")
			if err := os.WriteFile(name, []byte(strings.Join(rest, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			file = name
			return append(s.env(), "STOREPULSE_CONFIG="+name)
		}
		north := gen.New(gen.Settings{Seed: 8, Start: began, Rate: 5, FlatDay: true, TenantID: "north"})
		shop := shopping(7, began)
		facts := func(tenant string) string {
			return "SELECT count() > 0 FROM fact_events WHERE tenant = '" + tenant + "'"
		}
		s.load(north, 500)
		s.load(shop, 500)
		p := s.startEnv(three, "run")
		s.wait(facts("north"), "1")
		s.wait(facts("default"), "1")
		p.stop(t)

		// No record ever came of this shop.
		two := without("idle")
		s.load(shop, 500)
		before := s.number("SELECT max(epoch) FROM epochs")
		p = s.startEnv(two, "run")
		p.await(t, "lane recovered")
		s.wait(fmt.Sprintf("SELECT max(epoch) > %d FROM epochs", before), "1")
		p.stop(t)
		if strings.Contains(p.log.String(), "snapshot unusable") {
			t.Errorf("the snapshot is not used\n%s", p.log.tail(20))
		}

		// This one's visitors are in the middle of it.
		one := without("north")
		s.refuses(one, `shop \"north\" is not under tenants and has open sessions`, "put it back", "run --drain")
		s.startEnv(two, "run", "--drain").wait(t)
		sessions := s.ask("SELECT count(), countIf(is_closed) FROM fact_sessions FINAL WHERE is_deleted = 0 AND tenant = 'north'")
		if a, b, _ := strings.Cut(sessions, "\t"); a != b || a == "0" {
			t.Errorf("of the shop's sessions stand and are closed: %s", sessions)
		}
		s.load(shop, 500)
		s.load(north, 10)
		p = s.startEnv(one, "run", "--drain")
		p.wait(t)
		mentions(t, p.log.String(), "lane recovered", "rerun=0")
		if got := s.ask("SELECT count() > 0, uniqExact(reason) FROM dead_letters WHERE reason = 'unknown_tenant'"); got != "1\t1" {
			t.Errorf("records of a shop that is gone: %s, want dead letters", got)
		}
		if got := s.ask("SELECT count(), countIf(is_closed) FROM fact_sessions FINAL WHERE is_deleted = 0 AND tenant = 'north'"); got != sessions {
			t.Errorf("the shop's sessions are %s, were %s", got, sessions)
		}
		s.startEnv(one, "verify").wait(t)
	})
}
