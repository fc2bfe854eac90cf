package main

import (
	"errors"
	"testing"
	"time"
)

func TestTimeFlag(t *testing.T) {
	now := time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"2026-11-10":                time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC),
		"2026-11-10 08:30:00":       time.Date(2026, 11, 10, 8, 30, 0, 0, time.UTC),
		"2026-11-10T08:30:00":       time.Date(2026, 11, 10, 8, 30, 0, 0, time.UTC),
		"2026-11-10T08:30:00.5Z":    time.Date(2026, 11, 10, 8, 30, 0, 5e8, time.UTC),
		"2026-11-10T08:30:00+08:00": time.Date(2026, 11, 10, 0, 30, 0, 0, time.UTC),
		"24h":                       time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC),
		"0s":                        now,
	} {
		if got, err := timeFlag("from", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-24h", "2026-13-01", "7d"} {
		var usage *usageError
		if got, err := timeFlag("from", text, now); !errors.As(err, &usage) {
			t.Errorf("%q is %v, %v; want a usage error", text, got, err)
		}
	}
}
