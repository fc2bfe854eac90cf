// Package config is the program's configuration: the sum of the packages' own,
// one YAML file, and the environment over it. It is read once, before anything
// is started; nobody changes it afterwards.
package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	_ "time/tzdata" // tenants have time zones, minimal images have no zone files

	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// Config is the whole configuration; the order is that of Dump.
type Config struct {
	Pipeline Pipeline          `yaml:"pipeline"`
	Rules    Rules             `yaml:"transform"`
	Tenants  map[string]Tenant `yaml:"tenants"`
	Events   Events            `yaml:"events"`
	HTTP     obs.HTTPConfig    `yaml:"http"`
	Log      obs.LogConfig     `yaml:"log"`
}

// Pipeline stands in for the lanes' configuration.
type Pipeline struct {
	ID            string        `yaml:"id"`
	SnapshotEvery time.Duration `yaml:"snapshot_every"`
}

// Default is what runs without a file: one tenant in China, everything local.
func Default() Config {
	return Config{
		Pipeline: Pipeline{ID: "main", SnapshotEvery: 30 * time.Second},
		Rules:    defaultRules(),
		Tenants:  map[string]Tenant{"default": defaultTenant()},
		HTTP:     obs.DefaultHTTPConfig(),
		Log:      obs.DefaultLogConfig(),
	}
}

// Validate reports every fault of every section, joined.
func (c Config) Validate() error {
	errs := []error{c.Rules.validate()}
	errs = append(errs, validateTenants(c.Tenants), c.Events.validate(), c.HTTP.Validate(), c.Log.Validate())
	return errors.Join(errs...)
}

// Vocabulary gives the closed lists that the configuration completes. Tenants
// are in the order of their ids, so that every worker counts them alike.
func (c Config) Vocabulary() (*schemas.Vocabulary, error) {
	var tenants []schemas.Tenant
	for _, id := range slices.Sorted(maps.Keys(c.Tenants)) {
		t := c.Tenants[id]
		loc, err := time.LoadLocation(t.Timezone)
		if err != nil {
			return nil, fmt.Errorf("tenants.%s.timezone: %w", id, err)
		}
		tenants = append(tenants, schemas.Tenant{ID: id, Location: loc, Currency: t.Currency, Domains: t.Domains})
	}
	topics := [schemas.NumTopics]string{"ecom.clickstream.v1", "ecom.orders.v1"}
	return schemas.NewVocabulary(topics, tenants, c.Events.ExtraTypes, c.Events.Categories)
}

// Transform gives the session and order rules.
func (c Config) Transform() transform.Settings {
	s := c.Rules.Session
	return transform.Settings{
		Gap: s.Gap, MaxLength: s.MaxLength, OutOfOrder: s.OutOfOrder, MergeHorizon: s.MergeHorizon,
		PayWindow: c.Rules.Orders.PayWindow,
	}
}
