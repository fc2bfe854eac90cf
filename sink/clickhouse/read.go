package clickhouse

import (
	"context"
	"fmt"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// Query runs a small read; args are bound to the placeholders {name:Type}.
func (c *Client) Query(ctx context.Context, query string, args ch.Parameters) (driver.Rows, error) {
	rows, err := c.conn.Query(ch.Context(ctx, ch.WithParameters(args)), query)
	return rows, c.redact(err)
}

// Each runs a small read and calls scan for every row.
func (c *Client) Each(ctx context.Context, query string, args ch.Parameters, scan func(driver.Rows) error) error {
	rows, err := c.Query(ctx, query, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return c.redact(rows.Err())
}

// Exec runs a statement that gives no rows.
func (c *Client) Exec(ctx context.Context, query string, args ch.Parameters) error {
	return c.redact(c.conn.Exec(ch.Context(ctx, ch.WithParameters(args)), query))
}

const ofEpoch = "lane = {lane:UInt32} AND epoch = {epoch:UInt64} AND plan_id = {plan:UUID}"

func stampArgs(s schemas.Stamp) ch.Parameters {
	return ch.Parameters{"lane": fmt.Sprint(s.Lane), "epoch": fmt.Sprint(s.Epoch), "plan": uuid.UUID(s.PlanID).String()}
}

// Standing lists the row numbers that stand under (lane, epoch, plan id),
// whatever the term, in ascending order and each once.
func (c *Client) Standing(ctx context.Context, table schemas.TableID, stamp schemas.Stamp) ([]uint32, error) {
	name := c.layouts[table].table.Name
	return collect(ctx, c, "standing rows of "+name,
		"SELECT DISTINCT epoch_row FROM "+quote(name)+" WHERE "+ofEpoch+" ORDER BY epoch_row", stamp,
		func(rows driver.Rows) (n uint32, err error) { return n, rows.Scan(&n) })
}

// Positions lists the Kafka positions of the rows that stand under (lane,
// epoch, plan id), whatever the term.
func (c *Client) Positions(ctx context.Context, table schemas.TableID, stamp schemas.Stamp) ([]schemas.RowPosition, error) {
	name := c.layouts[table].table.Name
	return collect(ctx, c, "positions in "+name,
		"SELECT DISTINCT kafka_topic, kafka_offset FROM "+quote(name)+" WHERE "+ofEpoch+" ORDER BY kafka_topic, kafka_offset", stamp,
		func(rows driver.Rows) (p schemas.RowPosition, err error) {
			var topic string
			if err := rows.Scan(&topic, &p.Offset); err != nil {
				return p, err
			}
			if topic == c.cfg.Topics[schemas.OrdersTopic] {
				p.Topic = schemas.OrdersTopic
			} else if topic != c.cfg.Topics[schemas.Clickstream] {
				return p, fmt.Errorf("row of topic %q, which is neither of %q", topic, c.cfg.Topics)
			}
			return p, nil
		})
}

// Refused lists, per table, the rows that stand as dead letters because the
// table refused them.
func (c *Client) Refused(ctx context.Context, stamp schemas.Stamp) (map[schemas.TableID][]uint32, error) {
	type refused struct {
		table string
		row   uint32
	}
	list, err := collect(ctx, c, "refused rows",
		"SELECT DISTINCT refused_table, refused_row FROM dead_letters WHERE "+ofEpoch+" AND reason = 'refused_by_store' ORDER BY refused_table, refused_row",
		stamp, func(rows driver.Rows) (r refused, err error) { return r, rows.Scan(&r.table, &r.row) })
	if err != nil {
		return nil, err
	}
	out := map[schemas.TableID][]uint32{}
	for _, r := range list {
		for id := range schemas.NumTables {
			if Table(id).Name == r.table {
				out[id] = append(out[id], r.row)
			}
		}
	}
	return out, nil
}

func collect[T any](ctx context.Context, c *Client, what, query string, stamp schemas.Stamp, scan func(driver.Rows) (T, error)) ([]T, error) {
	rows, err := c.Query(ctx, query, stampArgs(stamp))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, c.redact(err))
	}
	return out, nil
}

// Refeed gives the orders of an epoch to the current state of orders again: a
// view is written after its table, and a crash between the two leaves the row
// without its effect. Every aggregate there is idempotent, so that once more
// never hurts. Recovery calls it for the epoch in doubt.
func (c *Client) Refeed(ctx context.Context, queryID string, stamp schemas.Stamp) error {
	feed, err := c.feed()
	if err != nil {
		return err
	}
	query := "INSERT INTO fact_orders " + feed.query + " WHERE " + ofEpoch + " " + feed.group
	ctx = ch.Context(ctx, ch.WithQueryID(queryID), ch.WithParameters(stampArgs(stamp)), ch.WithSettings(ch.Settings{
		"log_comment": queryID, "async_insert": 0, "insert_deduplicate": 0, "max_partitions_per_insert_block": 0, "optimize_on_insert": 0,
	}))
	if err := c.conn.Exec(ctx, query); err != nil {
		return fmt.Errorf("feed the orders of epoch %d again: %w", stamp.Epoch, c.redact(err))
	}
	return nil
}
