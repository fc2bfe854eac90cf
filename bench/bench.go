package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/schemas"
)

// bench is what the stages share. Children start when a stage first asks for them.
type bench struct {
	events, events800 int
	small, large      *stream
	cfg               config.Config
	vocabulary        *schemas.Vocabulary
	register          *schemas.Register
	report            report
	exe               string // the worker's program, empty = to be built
	sizeSessions      int
	sizeLanes         int
	sizeKafka         string // of a broker that runs; empty = the embedded one
	calibration       *calibration
	began             time.Time

	dir   string // of everything the children write
	kafka *kafkaChild
	click *clickHouseChild
}

func newBench(events int) (*bench, error) {
	b := &bench{events: events, events800: max(epochRecords, events/5), cfg: config.Default(), began: time.Now()}
	var err error
	if b.vocabulary, err = b.cfg.Vocabulary(); err != nil {
		return nil, err
	}
	b.register = schemas.NewRegister(b.vocabulary)
	if b.small, err = standard315(b.events); err != nil {
		return nil, err
	}
	if b.large, err = standard800(b.events800); err != nil {
		return nil, err
	}
	b.calibration = newCalibration(b.small)
	if b.dir, err = os.MkdirTemp("", "storepulse-bench-"); err != nil {
		return nil, err
	}
	return b, nil
}

// close stops the children and removes their data.
func (b *bench) close() error {
	var errs []error
	if b.kafka != nil {
		errs = append(errs, b.kafka.stop())
	}
	if b.click != nil {
		errs = append(errs, b.click.stop())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// measure runs f between two calibrations and adds its figure: f gives the CPU
// seconds per million events.
func (b *bench) measure(ctx context.Context, stage, event string, events int, note string, f func() (float64, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.progress("%s: %d events", stage, events)
	before := b.calibration.run()
	cpu, err := f()
	if err != nil {
		return err
	}
	after := b.calibration.run()
	b.report.calibration = append(b.report.calibration, before, after)
	b.report.cpu(stage, event, events, cpu, (before+after)/2, note)
	return nil
}

// repeated gives the median of three runs of a cheap stage.
func repeated(ctx context.Context, f func() (float64, error)) (float64, error) {
	var all []float64
	for range 3 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		x, err := f()
		if err != nil {
			return 0, err
		}
		all = append(all, x)
	}
	return median(all), nil
}

// calibration is what other figures are divided by to compare machines:
// encoding/json into a struct, on the bytes of the standard event.
type calibration struct{ records []schemas.Record }

const calibrationEvents = 50_000

func newCalibration(s *stream) *calibration {
	var e epoch
	return &calibration{e.fill(s, 0, min(s.n, calibrationEvents))}
}

// view has the fields of the standard event.
type view struct {
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Time            time.Time `json:"time"`
	AnonymousID     string    `json:"anonymous_id"`
	ClientSessionID string    `json:"client_session_id"`
	Platform        string    `json:"platform"`
	Region          string    `json:"region"`
	PageType        string    `json:"page_type"`
	PageURL         string    `json:"page_url"`
	UTMSource       string    `json:"utm_source"`
	UTMMedium       string    `json:"utm_medium"`
	Consent         string    `json:"consent"`
	Sequence        uint64    `json:"sequence"`
}

func (c *calibration) run() float64 {
	var m meter
	m.start()
	for i := range c.records {
		var v view
		if err := json.Unmarshal(c.records[i].Value, &v); err != nil {
			panic("BUG: a standard event is no JSON: " + err.Error())
		}
	}
	m.stop()
	return m.perMillion(len(c.records))
}
