package main

import (
	"fmt"
	"time"
)

// timeFlag reads a time, a day in UTC, or how long ago.
func timeFlag(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return time.Now().Add(-d), nil
	}
	return time.Time{}, &usageError{fmt.Errorf("--%s: want a time such as 2026-11-10, 2026-11-10T12:00:00Z or 24h for so long ago (got %q)", name, text)}
}
