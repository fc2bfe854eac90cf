// Package judge holds the tables against the topics: it reads what lies in
// Kafka with a client of its own, decides by plain means what must stand in the
// store, and counts what is lost, doubled or wrong. It shares the decoder of
// package schemas with the engine and nothing else. Tests and the soak call it
// when every worker has drained and gone, and when every rebuild for late
// events was due; it starts nothing and keeps nothing.
package judge

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

// Store answers queries; *clickhouse.Client does.
type Store interface {
	Query(ctx context.Context, query string, args ch.Parameters) (driver.Rows, error)
}

// Settings are the rules that decide what must stand.
type Settings struct {
	Vocabulary                *schemas.Vocabulary
	Gap, MaxLength, PayWindow time.Duration
	OutOfOrder, MergeHorizon  time.Duration
}

// SettingsOf gives the rules of a configuration.
func SettingsOf(c config.Config) (Settings, error) {
	voc, err := c.Vocabulary()
	if err != nil {
		return Settings{}, err
	}
	t := c.Transform()
	return Settings{Vocabulary: voc, Gap: t.Gap, MaxLength: t.MaxLength, PayWindow: t.PayWindow, OutOfOrder: t.OutOfOrder, MergeHorizon: t.MergeHorizon}, nil
}

// judgement is one run of Check.
type judgement struct {
	Settings
	store  Store
	report *Report
	// What stands.
	stored     [schemas.NumTopics]*stored
	letters    map[position]letter
	refused    map[refusal]bool
	watermarks map[[2]uint64]int64 // by lane and epoch, Unix ms

	// What must stand.
	lines       [len(beside)]map[position]lines
	orders      map[orderKey][]orderStep
	clicks      []oracle.Event
	orderEvents []oracle.OrderEvent
}

// position is where a record lies.
type position struct {
	topic     schemas.Topic
	partition int32
	offset    int64
}

func (p position) String() string { return fmt.Sprintf("%s %d/%d", p.topic, p.partition, p.offset) }

// Check compares what must come of the records with what stands in the store.
// The error says that it could not judge; the verdict is in the report.
func Check(ctx context.Context, records Records, store Store, s Settings) (*Report, error) {
	j := &judgement{Settings: s, store: store, report: &Report{Records: len(records)}, watermarks: map[[2]uint64]int64{}, orders: map[orderKey][]orderStep{}}
	for i := range j.lines {
		j.lines[i] = map[position]lines{}
	}
	for _, step := range []func(context.Context, Records) error{
		j.loadFacts, j.loadLetters, j.loadWatermarks, j.judgeRecords, j.judgeLines, j.judgeOrders, j.judgeSessions,
	} {
		if err := step(ctx, records); err != nil {
			return nil, err
		}
	}
	if j.report.Events == 0 {
		j.report.fail(&j.report.Wrong, "the topics hold no event that the decoder accepts: nothing was judged")
	}
	return j.report, nil
}

// each reads the rows of a query.
func (j *judgement) each(ctx context.Context, what, query string, scan func(driver.Rows) error) error {
	rows, err := j.store.Query(ctx, query, nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// loadWatermarks reads where the plan of each epoch put its lane's watermark.
func (j *judgement) loadWatermarks(ctx context.Context, _ Records) error {
	return j.each(ctx, "epochs", "SELECT lane, epoch, max(watermark) FROM epochs GROUP BY lane, epoch", func(rows driver.Rows) error {
		var lane uint32
		var epoch uint64
		var w int64
		if err := rows.Scan(&lane, &epoch, &w); err != nil {
			return err
		}
		j.watermarks[[2]uint64{uint64(lane), epoch}] = w
		return nil
	})
}

// topicOf names the topic of a stored row.
func (j *judgement) topicOf(name string) (schemas.Topic, error) {
	for t, n := range j.Vocabulary.Topics {
		if n == name {
			return schemas.Topic(t), nil
		}
	}
	return 0, fmt.Errorf("a row is of topic %q, which is neither of %q", name, j.Vocabulary.Topics)
}
