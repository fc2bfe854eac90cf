package verify

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
)

// clockSlack is allowed between the plan of an epoch and its rows, and between
// this clock and the server's.
const clockSlack = time.Hour

// expiryRule is how the server writes the migrations' TTL back.
var expiryRule = regexp.MustCompile(`TTL .*?toIntervalDay\((\d+)\)`)

// readExpiry reads how long the tables keep their rows: an operator may have
// changed it. A table without a TTL is not in the map.
func (c *checker) readExpiry(ctx context.Context) (map[string]time.Duration, error) {
	out := map[string]time.Duration{}
	err := c.client.Each(ctx, "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()", nil, func(rows driver.Rows) error {
		var name, engine string
		err := rows.Scan(&name, &engine)
		if m := expiryRule.FindStringSubmatch(engine); m != nil {
			days, _ := strconv.Atoi(m[1])
			out[name] = time.Duration(days) * 24 * time.Hour
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read how long the tables keep their rows: %w", err)
	}
	return out, nil
}

// noteExpiry says which epochs are compared with the ledger alone.
func (l *laneCheck) noteExpiry() {
	for t := range schemas.NumTables {
		if n := min(l.expired[t], l.to); n >= l.from && n > 0 {
			name := schemas.TableName(t)
			l.report.note("lane %d: epochs %d to %d are older than %s keeps its rows (%d days) and were not compared with it",
				l.Lane.Lane, l.from, n, name, int(l.expiry[name].Hours())/24)
		}
	}
}

// unknownLanes looks for rows of lanes that the ledger has never heard of.
func (c *checker) unknownLanes(ctx context.Context, all []checkpoint.LaneStatus) error {
	known := map[uint32]bool{}
	for _, l := range all {
		known[l.Head.Lane] = true
	}
	for table := range schemas.NumTables {
		name := schemas.TableName(table)
		err := c.client.Each(ctx, "SELECT lane, count() FROM "+name+" GROUP BY lane", nil, func(rows driver.Rows) error {
			var lane uint32
			var n uint64
			if err := rows.Scan(&lane, &n); err != nil {
				return err
			}
			if !known[lane] {
				c.report.add(Finding{
					Lane: lane, Check: "tables", Table: name, What: fmt.Sprintf("%d rows of a lane that the ledger does not know", n),
					Remedy: "`lanes` and `epochs` lack this lane: they were restored from an older backup than the tables, or the rows were inserted by hand",
				})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("list the lanes of %s: %w", name, err)
		}
	}
	return nil
}
