package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// timeForms is what timeFlag reads, for the help of the flags.
const timeForms = "2026-11-10, 2026-11-10T12:00:00Z, or 24h for 24 hours ago"

// timeFlag reads a time, a day in UTC, or how long before now; no text is the zero time.
func timeFlag(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, &usageError{fmt.Errorf("--%s: want a time: %s (got %q)", name, timeForms, text)}
}

// lanes are those of --lane; none means all.
type lanes []uint32

func laneFlag(f *pflag.FlagSet, l *lanes) {
	f.Var(l, "lane", "only this lane; may be repeated")
}

// Set adds what one flag says: a lane, or several with commas.
func (l *lanes) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return fmt.Errorf("want the number of a lane, not %q", part)
		}
		*l = append(*l, uint32(n))
	}
	return nil
}

func (l *lanes) String() string { return strings.Trim(fmt.Sprint([]uint32(*l)), "[]") }

// Type is what the help calls the value.
func (l *lanes) Type() string { return "number" }

// outputFlag names the file that a command writes.
func outputFlag(f *pflag.FlagSet, file *string) {
	f.StringVarP(file, "output", "o", "-", "file to write, - for standard output")
}

func dataDirFlag(f *pflag.FlagSet, dir *string) {
	f.StringVar(dir, "data-dir", "", "a demo's data directory")
}

func notNegative[T int | int64 | float64 | time.Duration](flag string, n T) error {
	if n < 0 {
		return &usageError{fmt.Errorf("--%s: must not be negative (got %v)", flag, n)}
	}
	return nil
}
