// Command bench measures what a million events cost in CPU, stage by stage and
// as a whole worker process, beside encoding/json as the machine's yardstick.
// It starts an embedded Kafka and ClickHouse in child processes, so that their
// CPU is not counted, and stops them and removes their data before it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if role := os.Getenv(childEnv); role != "" {
		os.Exit(child(role))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default comes back: a second one kills.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// stages in the order in which they run.
var stages = []struct {
	name string
	run  func(context.Context, *bench) error
}{
	{"decode", decodeStage},
	{"transform", transformStage},
	{"state", stateStage},
	{"fetch", fetchStage},
	{"insert", insertStage},
	{"worker", workerStage},
	{"size", sizeStage},
}

// byRequest is the stage that takes minutes: it runs only when it is named.
const byRequest = "size"

func run(ctx context.Context, args []string) error {
	var names, usual []string
	for _, s := range stages {
		names = append(names, s.name)
		if s.name != byRequest {
			usual = append(usual, s.name)
		}
	}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	events := fs.Int("events", 1_000_000, "events per stage; the ones of 800 bytes are a fifth of that")
	list := fs.String("stages", strings.Join(usual, ","), "stages to run, of "+strings.Join(names, ","))
	path := fs.String("json", "build/bench.json", "where the figures go")
	sessions := fs.Int("sessions", 1_000_000, "stage size: open sessions of ten events")
	lanes := fs.Int("lanes", 12, "stage size: lanes")
	broker := fs.String("kafka", "", "stage size: address of a real Kafka (default: the embedded one)")
	worker := fs.String("worker", "", "the storepulse program to measure (default: built from ./cmd/storepulse)")
	profile := fs.String("profile", "", "instead of the stages, run them as one loop in this process and write its CPU profile here")
	if err := fs.Parse(args); err != nil {
		return err
	}
	wanted := strings.Split(*list, ",")
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			return fmt.Errorf("-stages: %q is none of %s", w, strings.Join(names, ","))
		}
	}
	if *events < epochRecords {
		return fmt.Errorf("-events: must be at least %d (got %d)", epochRecords, *events)
	}
	b, err := newBench(*events)
	if err != nil {
		return err
	}
	b.exe, b.sizeSessions, b.sizeLanes, b.sizeKafka = *worker, *sessions, *lanes, *broker
	if *profile != "" {
		return errors.Join(profileLoop(ctx, b, *profile), b.close())
	}
	for _, s := range stages {
		if !slices.Contains(wanted, s.name) {
			continue
		}
		if err = s.run(ctx, b); err != nil {
			err = fmt.Errorf("stage %s: %w", s.name, err)
			break
		}
	}
	err = errors.Join(err, b.close())
	b.report.finish()
	b.report.table(os.Stdout) // also what was measured before a failure
	if err != nil {
		return err
	}
	return b.report.write(*path)
}
