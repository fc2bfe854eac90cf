package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/deadletters"
	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// letterFlags choose dead letters.
type letterFlags struct {
	reasons                []string
	topic, field, from, to string
	lanes                  lanes
	limit                  int
}

func (l *letterFlags) add(cmd *cobra.Command, limit int, limited string) {
	f := cmd.Flags()
	f.StringArrayVar(&l.reasons, "reason", nil, "only this reason; may be repeated")
	f.StringVar(&l.topic, "topic", "", "only this topic: clickstream, orders or its name in Kafka")
	f.StringVar(&l.field, "field", "", "only this field, such as items[0].price")
	f.StringVar(&l.from, "from", "", "received at or after this time: "+timeForms)
	f.StringVar(&l.to, "to", "", "received before this time")
	laneFlag(f, &l.lanes)
	f.IntVar(&l.limit, "limit", limit, limited)
}

// read gives the configuration and what the flags choose of it.
func (l *letterFlags) read(s *shared) (config.Config, deadletters.Filter, error) {
	cfg, err := s.config()
	if err != nil {
		return cfg, deadletters.Filter{}, err
	}
	f, err := l.filter(cfg)
	return cfg, f, err
}

func (l *letterFlags) filter(cfg config.Config) (f deadletters.Filter, err error) {
	for _, r := range l.reasons {
		if !slices.Contains(schemas.ReasonNames[1:], r) {
			return f, &usageError{fmt.Errorf("--reason: want one of %s (got %q)", strings.Join(schemas.ReasonNames[1:], ", "), r)}
		}
	}
	f = deadletters.Filter{Reasons: l.reasons, Field: l.field, Lanes: l.lanes, Limit: l.limit}
	if err := notNegative("limit", l.limit); err != nil {
		return f, err
	}
	for t, name := range cfg.Kafka.Topics.Names() {
		if l.topic == name || l.topic == schemas.Topic(t).String() {
			f.Topic = name
		}
	}
	if l.topic != "" && f.Topic == "" {
		return f, &usageError{fmt.Errorf("--topic: want clickstream or orders (got %q)", l.topic)}
	}
	now := time.Now()
	if f.From, err = timeFlag("from", l.from, now); err != nil {
		return f, err
	}
	f.To, err = timeFlag("to", l.to, now)
	return f, err
}

func newDeadLetters(s *shared) *cobra.Command {
	return group("deadletters", "List, show, export and replay records that were set aside",
		newLettersList(s), newLettersShow(s), newLettersExport(s), newLettersReplay(s))
}

func newLettersList(s *shared) *cobra.Command {
	var flags letterFlags
	var each, replayed bool
	var dataDir string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "What was set aside, grouped by its cause",
		Example: `  storepulse deadletters list --from 24h
  storepulse deadletters list --each --reason bad_money`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, f, err := flags.read(s)
			if err != nil {
				return err
			}
			return withStore(cmd.Context(), s, cfg, place{dataDir: dataDir}, func(_ config.Config, c *clickhouse.Client) error {
				if each || replayed {
					return listEach(cmd, s.out, c, f, replayed)
				}
				return listGroups(cmd, s.out, c, f)
			})
		},
	}
	flags.add(cmd, 100, "at most this many lines (0 = all)")
	cmd.Flags().BoolVar(&each, "each", false, "one line for each letter")
	cmd.Flags().BoolVar(&replayed, "replayed", false, "one line for each letter that was replayed")
	dataDirFlag(cmd.Flags(), &dataDir)
	return cmd
}

func listGroups(cmd *cobra.Command, w io.Writer, c *clickhouse.Client, f deadletters.Filter) error {
	groups, err := deadletters.Overview(cmd.Context(), c, f)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		fmt.Fprintln(w, "no dead letters")
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "COUNT\tREPLAYED\tREASON\tFIELD\tTOPIC\tFIRST\tLAST\tFOR EXAMPLE")
	for _, g := range groups {
		fmt.Fprintf(tw, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", g.Count, g.Replayed, g.Reason, dash(g.Field), g.Topic,
			g.First.UTC().Format(time.DateTime), g.Last.UTC().Format(time.DateTime), brief(g.Detail, 100))
	}
	return tw.Flush()
}

func listEach(cmd *cobra.Command, w io.Writer, c *clickhouse.Client, f deadletters.Filter, replayed bool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "POSITION\tRECEIVED\tREASON\tFIELD\tEVENT\tREPLAYED AS\tDETAIL")
	limit := f.Limit
	if replayed {
		f.Limit = 0 // the limit is on lines
	}
	lines := 0
	err := deadletters.Each(cmd.Context(), c, f, func(l *deadletters.Letter, at *records.Position) error {
		to := "-"
		if at != nil {
			to = at.String()
		} else if replayed {
			return nil
		}
		if limit > 0 && lines >= limit {
			return errEnough
		}
		lines++
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Position, l.Received.UTC().Format(time.DateTime), l.Reason, dash(l.Field), dash(l.EventID), to, brief(l.Detail, 80))
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, tw.Flush())
}

// errEnough ends a walk early.
var errEnough = errors.New("enough")

func newLettersShow(s *shared) *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:     "show POSITION…",
		Short:   "One letter in full, and what today's configuration says of it",
		Example: `  storepulse deadletters show orders/3/1200`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			voc, err := cfg.Vocabulary()
			if err != nil {
				return err
			}
			positions := make([]records.Position, len(args))
			for i, text := range args {
				if positions[i], err = records.ParsePosition(text, voc.Topics); err != nil {
					return &usageError{err}
				}
			}
			return withStore(cmd.Context(), s, cfg, place{dataDir: dataDir}, func(_ config.Config, c *clickhouse.Client) error {
				for i, p := range positions {
					if i > 0 {
						fmt.Fprintln(s.out)
					}
					there, err := deadletters.Show(cmd.Context(), c, voc, p, s.out)
					if err != nil {
						return err
					}
					if !there {
						return fmt.Errorf("no dead letter at %s (storepulse trace --position %s says what became of the record)", p, p)
					}
				}
				return nil
			})
		},
	}
	dataDirFlag(cmd.Flags(), &dataDir)
	return cmd
}
