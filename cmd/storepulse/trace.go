package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/internal/trace"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

type traceFlags struct {
	event, source, order, visitor, position string
	tenant, from, to, dataDir               string
	record, json                            bool
	limit                                   int
}

func newTrace(s *shared) *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Follow one event, order or visitor from Kafka to its session",
		Long: `trace says where a record stands in Kafka, which epoch read it, what became of
it, and which rows, session and order it is in. --record also shows the record
as Kafka has it, personal data included. Exit code 0: something was found.
1: nothing was, or it could not be looked for.`,
		Example: `  storepulse trace --event 9f1c-000017
  storepulse trace --order O88121
  storepulse trace --visitor a5e41ab087439611e --from 2026-03-01 --to 2026-03-02
  storepulse trace --position clickstream/3/120044 --record`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asked := 0
			for _, v := range []string{f.event, f.order, f.visitor, f.position} {
				if v != "" {
					asked++
				}
			}
			if asked != 1 {
				return &usageError{errors.New("trace: want one of --event, --order, --visitor and --position")}
			}
			if f.source != "" && f.event == "" {
				return &usageError{errors.New("trace: --source belongs to --event")}
			}
			if f.tenant != "" && f.order == "" && f.visitor == "" {
				return &usageError{errors.New("trace: --tenant belongs to --order and --visitor")}
			}
			if err := notNegative("limit", f.limit); err != nil {
				return err
			}
			return runTrace(cmd.Context(), s, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.event, "event", "", "id of an event")
	fl.StringVar(&f.source, "source", "", "its source, where several have the id")
	fl.StringVar(&f.order, "order", "", "id of an order")
	fl.StringVar(&f.visitor, "visitor", "", "anonymous_id of a visitor, or the UUID")
	fl.StringVar(&f.position, "position", "", "place of a record: topic/partition/offset")
	fl.StringVar(&f.tenant, "tenant", "", "only this shop")
	fl.StringVar(&f.from, "from", "", "first day to look at: "+timeForms)
	fl.StringVar(&f.to, "to", "", "last day to look at")
	fl.BoolVar(&f.record, "record", false, "also show the record as Kafka has it")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.IntVar(&f.limit, "limit", 1000, "at most this many events of a visitor (0 = all)")
	dataDirFlag(fl, &f.dataDir)
	return cmd
}

func runTrace(ctx context.Context, s *shared, f traceFlags) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	if _, ok := cfg.Tenants[f.tenant]; f.tenant != "" && !ok {
		return &usageError{fmt.Errorf("--tenant: %q is not configured", f.tenant)}
	}
	voc, err := cfg.Vocabulary()
	if err != nil {
		return err
	}
	t := &trace.Tracer{Vocabulary: voc, Limit: f.limit}
	now := time.Now()
	if t.From, err = timeFlag("from", f.from, now); err != nil {
		return err
	}
	if t.To, err = timeFlag("to", f.to, now); err != nil {
		return err
	}
	var at records.Position
	if f.position != "" {
		if at, err = records.ParsePosition(f.position, voc.Topics); err != nil {
			return &usageError{err}
		}
	}
	in := place{dataDir: f.dataDir}
	if f.record {
		in.kafka = "--record"
	}
	return withStore(ctx, s, cfg, in, func(cfg config.Config, c *clickhouse.Client) error {
		t.Store = c
		if f.record {
			r, err := records.NewReader(cfg.Source(), obs.NewLogger(s.err, cfg.Log))
			if err != nil {
				return err
			}
			defer func() { _ = r.Close() }()
			t.Kafka = r
		}
		report, err := f.ask(ctx, t, at)
		if err != nil {
			return err
		}
		return f.print(s.out, report)
	})
}

func (f traceFlags) ask(ctx context.Context, t *trace.Tracer, at records.Position) (*trace.Report, error) {
	switch {
	case f.event != "":
		return t.Event(ctx, f.event, f.source)
	case f.order != "":
		return t.Orders(ctx, f.order, f.tenant)
	case f.visitor != "":
		return t.Visitors(ctx, f.visitor, f.tenant)
	}
	return t.Position(ctx, at)
}

// print shows what was found; nothing is a failure.
func (f traceFlags) print(w io.Writer, r *trace.Report) (err error) {
	if f.json {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.Print(w)
	}
	if err == nil && !r.Found() {
		err = errFailed
	}
	return err
}
