package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/imports"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/internal/produce"
)

// demoFlags are the command line of demo.
type demoFlags struct {
	dataDir    string
	duration   time.Duration
	rate       float64
	timeLapse  float64
	seed       uint64
	partitions int
	importFile string
	mapping    string
	incidents  []string
	verbose    bool
}

func newDemo(s *shared) *cobra.Command {
	f := demoFlags{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole product on this machine: Kafka, ClickHouse and shoppers embedded",
		Long: `demo starts an embedded Kafka-compatible broker, the real ClickHouse engine in a
child process, a shop full of simulated shoppers and one worker, all on loopback,
and shows the shop's numbers as they come. Data stays in the data directory: the
next demo goes on where this one stopped.

With --import it feeds a file instead of the shoppers, waits until everything is
written, closes all sessions and exits.
` + incidentHelp + `

The shop opens twelve hours ago and catches up with the clock, so an incident that is to be
watched as it happens starts after 12h.`,
		Example: `  storepulse demo --duration 60s
  storepulse demo --time-lapse 600 --incident payment_outage,start=12h5m,length=10m,platform=app_ios
  storepulse demo --import events.csv.gz --mapping examples/rees46.yaml --data-dir /tmp/rees46`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (f.importFile == "") != (f.mapping == "") {
				return &usageError{errors.New("--import and --mapping go together")}
			}
			if f.importFile != "" && len(f.incidents) > 0 {
				return &usageError{errors.New("--incident needs shoppers, and --import takes their place")}
			}
			return runDemo(cmd.Context(), s, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dataDir, "data-dir", ".storepulse", "where topics, tables and the engine's files live")
	fl.DurationVar(&f.duration, "duration", 0, "stop after this long (0 = until Ctrl-C)")
	fl.Float64Var(&f.rate, "rate", 20, "events per second of simulated time, averaged over a day")
	fl.Float64Var(&f.timeLapse, "time-lapse", 60, "simulated seconds per second until the shop has caught up with the clock")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of the simulation")
	fl.IntVar(&f.partitions, "partitions", 4, "lanes of a new data directory")
	fl.StringVar(&f.importFile, "import", "", "feed this file instead of shoppers, then exit")
	fl.StringVar(&f.mapping, "mapping", "", "how to read the file of --import (YAML)")
	incidentFlag(fl, &f.incidents)
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "show the log as well")
	return cmd
}

// runDemo starts the parts in the order of the data and stops them in reverse.
func runDemo(ctx context.Context, s *shared, f demoFlags) (err error) {
	if err := needEngine(); err != nil {
		return err
	}
	cfg, err := s.config()
	if err != nil {
		return err
	}
	if f.mapping != "" {
		// The embedded stack is there for this file: it knows the file's types.
		m, err := imports.LoadMapping(f.mapping)
		if err != nil {
			return err
		}
		for _, t := range m.Extra {
			if !slices.Contains(cfg.Events.ExtraTypes, t) {
				cfg.Events.ExtraTypes = append(cfg.Events.ExtraTypes, t)
			}
		}
	}
	if err := os.MkdirAll(f.dataDir, 0o755); err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	log, closeLog, err := demoLog(s, f, cfg)
	if err != nil {
		return err
	}
	defer closeLog()

	local, err := startLocal(ctx, s.err, f.dataDir, f.partitions, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, local.stop()) }()
	cfg = local.cfg
	st, err := newStack(cfg, log)
	if err != nil {
		return err
	}
	if err := st.check(ctx); err != nil {
		return errors.Join(err, st.close())
	}
	before, err := factRows(ctx, st.store)
	if err != nil {
		return errors.Join(err, st.close())
	}
	if f.importFile != "" {
		err = demoImport(ctx, s, f, cfg, st)
	} else {
		err = demoLive(ctx, s, f, cfg, st)
	}
	err = errors.Join(err, st.close())
	if err != nil {
		return err
	}
	return report(context.WithoutCancel(ctx), s.out, st, before)
}

// demoLive lets shoppers shop until ctx or the duration ends.
func demoLive(ctx context.Context, s *shared, f demoFlags, cfg config.Config, st *stack) error {
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	set := gen.Settings{Seed: f.seed, Rate: f.rate, Defects: gen.RealisticDefects(), KnownVisitors: 2000}
	memory := filepath.Join(f.dataDir, "shop.json")
	set.Start = resume(memory, time.Now().Add(-12*time.Hour).Truncate(time.Second))
	var err error
	set.Incidents, err = gen.ParseIncidents(f.incidents)
	if err := errors.Join(err, set.Validate()); err != nil {
		return &usageError{err}
	}
	w, err := newWriter(cfg)
	if err != nil {
		return err
	}
	intro := fmt.Sprintf(`
  metrics     http://%%s/metrics
  clickhouse  %s  (database %s)
  kafka       %s

  Ask it something, also while it runs:
    bin/storepulse sql 'SELECT max_stage, count() FROM fact_sessions FINAL WHERE NOT is_bot GROUP BY 1 ORDER BY 2 DESC' --data-dir %[4]s
    bin/storepulse sql 'SELECT platform, count() AS orders, sum(paid_minor) / 100 AS paid FROM orders WHERE paid_minor > 0 GROUP BY 1 ORDER BY 3 DESC' --data-dir %[4]s
    bin/storepulse sql 'SELECT reason, field, count() FROM dead_letters GROUP BY 1, 2 ORDER BY 3 DESC' --data-dir %[4]s

  The shop opens at %s and catches up with the clock at %gx. Ctrl-C stops it.

`, cfg.Sink.ClickHouse.URL, cfg.Sink.ClickHouse.Database, cfg.Kafka.Brokers[0], f.dataDir, set.Start.Format(time.DateTime), f.timeLapse)

	// The shoppers stop first, then the worker takes what is left: the numbers
	// it shows at the end are complete.
	shop, closeShop := context.WithCancel(ctx)
	defer closeShop()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	g := gen.New(set)
	news := make(chan string)
	var parts errgroup.Group
	parts.Go(func() error {
		err := produce.Run(shop, w, g.Next, produce.Pace{TimeLapse: f.timeLapse, Live: true}, func(c produce.Counts) {
			for _, line := range g.News(c.Last) {
				select {
				case news <- line:
				case <-shop.Done(): // nobody looks any more
				}
			}
		})
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		err = errors.Join(err, w.Close(context.WithoutCancel(ctx)), remember(memory, w.Counts().Last))
		caughtUp(work, st, w.Counts().Total())
		stopWork()
		return err
	})
	parts.Go(func() error {
		defer closeShop()
		return st.run(work)
	})
	if addr, err := st.server.Addr(work); err == nil {
		fmt.Fprintf(s.out, intro, addr)
	}
	v := &view{out: s.out, live: isTerminal(s.out) && !f.verbose, begun: time.Now()}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	done := make(chan error, 1)
	go func() { done <- parts.Wait() }()
	for {
		select {
		case err := <-done:
			tell(s.out, g.Unfinished())
			return err
		case line := <-news:
			v.say(line)
		case now := <-tick.C:
			if m, err := gather(st.reg); err == nil {
				v.draw(m, now)
			}
		}
	}
}

// stopTime bounds how long a stopping demo waits for its worker.
const stopTime = 30 * time.Second

// caughtUp waits until the worker has taken what this run produced, and
// whatever an earlier one left.
func caughtUp(ctx context.Context, st *stack, produced int64) {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	for sleep(ctx, 300*time.Millisecond) == nil {
		m, err := gather(st.reg)
		if err != nil || m.sum("ecom_pipeline_records_total") >= float64(produced) && m.sum("ecom_kafka_consumer_lag_messages") == 0 {
			return
		}
	}
}

// demoLog keeps the log beside the data, so that the screen belongs to the numbers.
func demoLog(s *shared, f demoFlags, cfg config.Config) (*slog.Logger, func(), error) {
	if f.verbose {
		return obs.NewLogger(s.err, cfg.Log), func() {}, nil
	}
	file, err := os.OpenFile(filepath.Join(f.dataDir, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log: %w", err)
	}
	return obs.NewLogger(file, cfg.Log), func() { _ = file.Close() }, nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// shopMemory is what one demo tells the next: events must not begin before
// those that are there already, or they would be late.
type shopMemory struct {
	Last time.Time `json:"last"`
}

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
