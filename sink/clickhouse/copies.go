package clickhouse

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// copiesChunk bounds one query, long ids apart: its values travel in the
// address of a request.
const copiesChunk = 400

// identity of an event inside a lane; the visitor is zero for orders.
type identity struct {
	visitor    uuid.UUID
	source, id string
}

// Copies gives the offsets, ascending, of those events that are facts of the
// lane already: the same source and id, of the same visitor if they are clicks,
// from an earlier record, and dated as the reference says. It sees every insert
// that was acknowledged before it was called.
func (c *Client) Copies(ctx context.Context, lane uint32, t schemas.Topic, refs []schemas.EventRef) ([]int64, error) {
	sorted := slices.Clone(refs)
	slices.SortFunc(sorted, func(a, b schemas.EventRef) int { return cmp.Compare(a.From, b.From) }) // few partitions a query
	var found []int64
	for chunk := range Chunks(sorted, copiesChunk, func(r *schemas.EventRef) string { return hex.EncodeToString(r.ID) }) {
		first, err := c.firstOffsets(ctx, lane, t, chunk)
		if err != nil {
			return nil, fmt.Errorf("look up %d events of lane %d: %w", len(refs), lane, err)
		}
		for i := range chunk {
			if offset, ok := first[identityOf(t, &chunk[i])]; ok && offset < chunk[i].Offset {
				found = append(found, chunk[i].Offset)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

func identityOf(t schemas.Topic, r *schemas.EventRef) identity {
	id := identity{source: string(r.Source), id: string(r.ID)}
	if t == schemas.Clickstream {
		id.visitor = uuid.UUID(r.Visitor)
	}
	return id
}

// firstOffsets finds who of the events stands, by id alone where the indexes
// help, and from which record.
func (c *Client) firstOffsets(ctx context.Context, lane uint32, t schemas.Topic, refs []schemas.EventRef) (map[identity]int64, error) {
	var ids, visitors, dates []string
	days := map[uint16]bool{}
	for i := range refs {
		r := &refs[i]
		ids = append(ids, hex.EncodeToString(r.ID)) // any bytes may be in an id
		visitors = append(visitors, uuid.UUID(r.Visitor).String())
		for day := int(r.From); day <= int(r.To); day++ {
			days[uint16(day)] = true
		}
	}
	for day := range days {
		dates = append(dates, time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly))
	}
	slices.Sort(dates)
	args := ch.Parameters{"lane": fmt.Sprint(lane), "ids": strings.Join(ids, ","), "days": quoted(dates)}
	table, visitor, of := "fact_order_events", "toUUID('00000000-0000-0000-0000-000000000000')", ""
	if t == schemas.Clickstream {
		table, visitor, of = "fact_events", "visitor_id", " AND visitor_id IN {visitors:Array(UUID)}"
		args["visitors"] = quoted(visitors)
	}
	rows, err := c.Query(ctx, "SELECT "+visitor+" AS v, source, event_id, min(kafka_offset) FROM "+table+`
		WHERE lane = {lane:UInt32} AND business_date IN {days:Array(Date)}
			AND event_id IN (SELECT unhex(arrayJoin(splitByChar(',', {ids:String}))))`+of+`
		GROUP BY v, source, event_id`, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	first := map[identity]int64{}
	for rows.Next() {
		var id identity
		var offset int64
		if err := rows.Scan(&id.visitor, &id.source, &id.id, &offset); err != nil {
			return nil, err
		}
		first[id] = offset
	}
	return first, c.redact(rows.Err())
}

// quoted makes an array of values that need no escapes.
func quoted(values []string) string { return "['" + strings.Join(values, "','") + "']" }
