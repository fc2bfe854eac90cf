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

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/internal/pipeline"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
	"github.com/storepulse/storepulse/transform"
)

// Config is the whole configuration; the order is that of Dump.
type Config struct {
	Kafka      ingest.KafkaConfig  `yaml:"kafka"`
	Ingest     ingest.IngestConfig `yaml:"ingest"`
	Pipeline   pipeline.Config     `yaml:"pipeline"`
	Rules      Rules               `yaml:"transform"`
	Tenants    map[string]Tenant   `yaml:"tenants"`
	Events     Events              `yaml:"events"`
	Promotions []Promotion         `yaml:"promotions"`
	Sink       Sink                `yaml:"sink"`
	HTTP       obs.HTTPConfig      `yaml:"http"`
	Log        obs.LogConfig       `yaml:"log"`
}

// Sink is where the facts go.
type Sink struct {
	Migrate    bool              `yaml:"migrate"` // apply missing migrations when a worker starts
	ClickHouse clickhouse.Config `yaml:"clickhouse"`
}

// Default is what runs without a file: one tenant in China, everything local.
func Default() Config {
	in := ingest.DefaultConfig()
	return Config{
		Kafka:    in.Kafka,
		Ingest:   in.Ingest,
		Pipeline: pipeline.DefaultConfig(),
		Rules:    defaultRules(in.IdleAfter),
		Tenants:  map[string]Tenant{"default": defaultTenant()},
		Sink:     Sink{Migrate: true, ClickHouse: clickhouse.DefaultConfig()},
		HTTP:     obs.DefaultHTTPConfig(),
		Log:      obs.DefaultLogConfig(),
	}
}

// Validate reports every fault of every section, joined.
func (c Config) Validate() error {
	return errors.Join(
		c.Source().Validate(), c.Pipeline.Validate(), c.Rules.validate(), validateTenants(c.Tenants), c.Events.validate(), validatePromotions(c.Promotions, c.Tenants),
		c.Sink.ClickHouse.Validate(), c.HTTP.Validate(), c.Log.Validate(),
	)
}

// Source gives what package ingest is told.
func (c Config) Source() ingest.Config {
	return ingest.Config{Kafka: c.Kafka, Ingest: c.Ingest, IdleAfter: c.Rules.Session.IdleAfter}
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
	return schemas.NewVocabulary(c.Kafka.Topics.Names(), tenants, c.Events.ExtraTypes, c.Events.Categories)
}

// Transform gives the session and order rules.
func (c Config) Transform() transform.Settings {
	s := c.Rules.Session
	return transform.Settings{
		Gap: s.Gap, MaxLength: s.MaxLength, OutOfOrder: s.OutOfOrder, MergeHorizon: s.MergeHorizon,
		PayWindow: c.Rules.Orders.PayWindow,
	}
}

// ClickHouse gives what package clickhouse is told.
func (c Config) ClickHouse() clickhouse.Config {
	ch := c.Sink.ClickHouse
	ch.Topics = c.Kafka.Topics.Names()
	return ch
}

// Verify compares all that can be compared without Kafka.
func (c Config) Verify() verify.Options {
	t := c.Transform()
	return verify.Options{
		Topics: c.ClickHouse().Topics, Tables: true, Sessions: true, Gap: t.Gap,
		// No event comes more than 72 h late, and none is rebuilt before state has let go of it.
		Settled: 72*time.Hour + t.PayWindow + t.MergeHorizon + t.Gap + time.Hour,
	}
}

// Lanes gives what package pipeline is told. A revoked lane gets less than
// half the session timeout: heartbeats stop while it finishes.
func (c Config) Lanes() pipeline.Config {
	p := c.Pipeline
	p.StopBound = c.Kafka.SessionTimeout * 2 / 5
	return p
}
