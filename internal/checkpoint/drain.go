package checkpoint

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/sink/clickhouse"
)

const (
	drainPatience = 10 * time.Second // before queries of a former owner are killed
	drainPoll     = 100 * time.Millisecond
)

// Drain waits until no insert of the lane under an older term can still land:
// one that began before the fence may. After it, what is read is what stands.
//
// Inserts are found in system.processes by query id, or by the comment that
// repeats it: an engine behind another HTTP server gives its own query ids.
// Where the list shows neither, the wait is the longest an insert can take,
// unless the former owner said that it was done.
func (s *Store) Drain(ctx context.Context, lane uint32, term uint64) error {
	sees, err := s.seesQueries(ctx, lane, term)
	if err != nil {
		return fmt.Errorf("drain lane %d: %w", lane, err)
	}
	if !sees {
		return s.waitOut(ctx, lane)
	}
	began := time.Now()
	for {
		running, err := s.running(ctx, lane, term)
		if err != nil {
			return fmt.Errorf("drain lane %d: %w", lane, err)
		}
		if running == 0 {
			return nil
		}
		if time.Since(began) > drainPatience {
			if err := s.kill(ctx, lane, term); err != nil {
				return fmt.Errorf("drain lane %d: kill %d inserts of a former owner: %w", lane, running, err)
			}
			began = time.Now()
		}
		if err := pause(ctx, drainPoll); err != nil {
			return fmt.Errorf("drain lane %d: %d inserts of a former owner are still running: %w", lane, running, err)
		}
	}
}

// ofFormer selects queries of the lane whose term is below ours. The tag is
// storepulse/<pipeline>/<lane>/<term>/<n>; a tag without a number counts as old.
// Another database on the same server may have a pipeline of the same name.
const ofFormer = `database = currentDatabase() AND startsWith(tag, {prefix:String}) AND toUInt64OrZero(splitByChar('/', substring(tag, length({prefix:String}) + 1))[1]) < {term:UInt64}`

const tagged = `SELECT query_id, if(startsWith(query_id, 'storepulse/'), query_id, Settings['log_comment']) AS tag, current_database AS database FROM system.processes`

func (s *Store) formerArgs(lane uint32, term uint64) ch.Parameters {
	return ch.Parameters{"prefix": s.prefix(lane), "term": fmt.Sprint(term)}
}

func (s *Store) running(ctx context.Context, lane uint32, term uint64) (n uint64, err error) {
	err = s.c.Each(ctx, "SELECT count() FROM ("+tagged+") WHERE "+ofFormer, s.formerArgs(lane, term), func(rows driver.Rows) error { return rows.Scan(&n) })
	return n, err
}

func (s *Store) kill(ctx context.Context, lane uint32, term uint64) error {
	var ids []string
	err := s.c.Each(ctx, "SELECT query_id FROM ("+tagged+") WHERE "+ofFormer, s.formerArgs(lane, term), func(rows driver.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		// Without SYNC: an insert that waits for its body ends when the body or
		// the receive timeout does, and the caller looks again anyway.
		if err := s.c.Exec(ctx, "KILL QUERY WHERE query_id = "+clickhouse.Literal(id)+" ASYNC", nil); err != nil {
			return err
		}
	}
	return nil
}

// seesQueries probes whether the process list shows the names of queries: a
// query looks for itself.
func (s *Store) seesQueries(ctx context.Context, lane uint32, term uint64) (bool, error) {
	me := s.queryID(lane, term) + "/probe"
	var n uint64
	ctx = ch.Context(ctx, ch.WithQueryID(me), ch.WithSettings(ch.Settings{"log_comment": me}), ch.WithParameters(ch.Parameters{"me": me}))
	err := s.c.Conn().QueryRow(ctx, "SELECT count() FROM ("+tagged+") WHERE tag = {me:String}").Scan(&n)
	return n > 0, err
}

// waitOut waits as long as an insert can take, if one may be under way.
func (s *Store) waitOut(ctx context.Context, lane uint32) error {
	head, err := s.Head(ctx, lane)
	if err != nil {
		return err
	}
	if head != nil && head.Kind.Done() {
		return nil
	}
	return pause(ctx, clickhouse.InsertTimeout)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
