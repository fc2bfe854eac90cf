package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Config is section pipeline of the configuration, and what its owner adds.
type Config struct {
	ID            string        `yaml:"id"`             // names the pipeline in every token and query id; never the build version
	SnapshotEvery time.Duration `yaml:"snapshot_every"` // how often a lane saves its state
	RebuildEvery  time.Duration `yaml:"rebuild_every"`  // how often a lane looks for sessions whose late events can be taken in

	Identity     string        `yaml:"-"` // of the two topics: names and ids
	Worker       string        `yaml:"-"` // shown in lanes
	Partitions   uint32        `yaml:"-"` // of each topic
	StopBound    time.Duration `yaml:"-"` // an epoch in hand may take this long after a revoke; well below the session timeout
	DrainPoll    time.Duration `yaml:"-"` // how often a lane that waits for records looks whether it should drain
	ClaimBackoff Backoff       `yaml:"-"`
	RetryBackoff Backoff       `yaml:"-"`
}

// snapshotEpochs bounds recovery for busy lanes: a snapshot is saved at least
// every so many epochs.
const snapshotEpochs = 200

// DefaultConfig gives the defaults.
func DefaultConfig() Config {
	return Config{
		ID: "main", SnapshotEvery: 30 * time.Second, RebuildEvery: 15 * time.Minute, StopBound: 4 * time.Second, DrainPoll: 500 * time.Millisecond,
		// Beyond the longest recovery, so that two live workers that duel for a lane converge.
		ClaimBackoff: Backoff{Min: 500 * time.Millisecond, Max: time.Minute},
		RetryBackoff: Backoff{Min: 100 * time.Millisecond, Max: 5 * time.Second},
	}
}

var pipelineID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// Validate reports every fault of the section.
func (c Config) Validate() error {
	var errs []error
	if !pipelineID.MatchString(c.ID) {
		errs = append(errs, fmt.Errorf("pipeline.id: must be 1 to 32 of a-z, 0-9, _ and - (got %q)", c.ID))
	}
	if c.SnapshotEvery < time.Second {
		errs = append(errs, fmt.Errorf("pipeline.snapshot_every: must be at least 1s (got %s)", c.SnapshotEvery))
	}
	if c.RebuildEvery < time.Second {
		errs = append(errs, fmt.Errorf("pipeline.rebuild_every: must be at least 1s (got %s)", c.RebuildEvery))
	}
	return errors.Join(errs...)
}
