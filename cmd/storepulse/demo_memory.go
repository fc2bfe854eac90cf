package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// shopMemory is what one demo tells the next: events must not begin before
// those that are there already, or they would be late.
type shopMemory struct {
	Last time.Time `json:"last"`
}

// memory is the file in which it stays.
func (f demoFlags) memory() string { return filepath.Join(f.dataDir, "shop.json") }

func resume(path string, start time.Time) time.Time {
	var m shopMemory
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &m) == nil && m.Last.After(start) {
		return m.Last.Truncate(time.Second).Add(time.Second)
	}
	return start
}

func remember(path string, last time.Time) error {
	if last.IsZero() {
		return nil
	}
	b, err := json.Marshal(shopMemory{last})
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
