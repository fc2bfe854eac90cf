package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/prom"
)

// Promotion is a time in which a shop sells otherwise than on usual days: alerts
// are more tolerant then, and later weeks are not compared with it.
type Promotion struct {
	Tenant string    `yaml:"tenant"` // empty: every shop
	Kind   string    `yaml:"kind"`
	Name   string    `yaml:"name"` // what people call it
	From   time.Time `yaml:"from"`
	Until  time.Time `yaml:"until"` // the first moment after it
}

// maxPromotions keeps a scrape cheap: each asks every promotion.
const maxPromotions = 1000

func validatePromotions(list []Promotion, tenants map[string]Tenant) error {
	var errs []error
	if n := len(list); n > maxPromotions {
		errs = append(errs, fmt.Errorf("promotions: must be at most %d, remove what is long over (got %d)", maxPromotions, n))
	}
	for i, p := range list {
		fault := func(key, format string, args ...any) {
			errs = append(errs, fmt.Errorf("promotions[%d].%s: "+format, append([]any{i, key}, args...)...))
		}
		if _, known := tenants[p.Tenant]; !known && p.Tenant != "" {
			fault("tenant", "must be one of the tenants, or absent for all (got %q)", p.Tenant)
		}
		if !slices.Contains(schemas.PromotionKindNames, p.Kind) {
			fault("kind", "must be one of %s (got %q)", strings.Join(schemas.PromotionKindNames, ", "), p.Kind)
		}
		if p.Name == "" || len(p.Name) > 100 || strings.TrimSpace(p.Name) != p.Name {
			fault("name", "must be 1 to 100 bytes without space around them (got %q)", p.Name)
		}
		for _, t := range []struct {
			key string
			at  time.Time
		}{{"from", p.From}, {"until", p.Until}} {
			if t.at.IsZero() {
				fault(t.key, "must be a time such as 2026-11-11T00:00:00+08:00")
			}
		}
		if !p.From.IsZero() && !p.Until.IsZero() && !p.From.Before(p.Until) {
			fault("until", "must be after from, %s (got %s)", p.From.Format(time.RFC3339), p.Until.Format(time.RFC3339))
		}
	}
	return errors.Join(errs...)
}

// Calendar gives what package prom is told of the promotions.
func (c Config) Calendar() []prom.Promotion {
	var list []prom.Promotion
	for _, p := range c.Promotions {
		list = append(list, prom.Promotion{Tenant: p.Tenant, Kind: p.Kind, From: p.From, Until: p.Until})
	}
	return list
}
