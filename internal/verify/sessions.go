package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// rebuildWithin is how long after its insert a late event may wait for the
// lane to rebuild its sessions, whatever the events' clock says.
const rebuildWithin = time.Hour

// liveSessions is the newest version of each session of a lane, one row each.
const liveSessions = `SELECT visitor_id, session_id, argMax(start_time, version) AS started, argMax(end_time, version) AS ended, argMax(events, version) AS held,
		argMax(is_closed, version) AS shut, argMax(is_approximate, version) AS rough, argMax(is_deleted, version) AS dead, argMax(inserted_at, version) AS stored, max(epoch) AS newest
	FROM fact_sessions WHERE lane = {lane:UInt32} AND `

// sessionQuery puts every visitor of a bucket into a class: older versions of a
// session row vanish in merges, so rows cannot be counted. What must hold is
// that the closed sessions of a visitor do not overlap and hold exactly its
// events before the open one, those too late for any session left out.
const sessionQuery = `
SELECT class, count(), groupArray(20)((visitor_id, toUInt64(plain), toUInt64(late), toUInt64(held), toUInt64(sessions))) FROM (
	SELECT visitor_id,
		arraySort(groupArrayIf((started, ended), kind = 1 AND NOT stale)) AS spans,
		countIf(kind = 1 AND NOT stale AND shut) AS sessions,
		countIf(kind = 1 AND NOT shut) AS opens,
		minIf(started, kind = 1 AND NOT shut) AS opened,
		maxIf(ended, kind = 1 AND shut) AS closed,
		maxIf(ended, kind = 1 AND stale) AS settled,
		sumIf(held, kind = 1 AND NOT stale AND shut) AS held,
		groupArrayIf(started, kind = 0 AND NOT late_event) AS plains,
		groupArrayIf(started, kind = 0 AND late_event) AS lates,
		arrayCount(t -> t > settled AND (opens = 0 OR t < opened), plains) AS plain,
		arrayCount(t -> t > settled AND (opens = 0 OR t < opened), lates) AS late,
		maxIf(waiting, kind = 0) AS waits,
		multiIf(
			countIf(in_scope) = 0, 'elsewhere',
			maxIf(newest, kind = 1) > {done:UInt64}, 'open',
			countIf(kind = 0 AND suspect) > 0, 'skipped',
			countIf(kind = 1 AND rough) > 0, 'skipped',
			opens > 0 AND sessions > 0 AND closed >= opened, 'open',
			arrayExists((a, b) -> b.1 < a.2, arrayPopBack(spans), arrayPopFront(spans)), 'overlap',
			opens > 0 AND {mark:Int64} > 0 AND toUnixTimestamp64Milli(greatest(arrayMax(arrayPushBack(plains, opened)), maxIf(ended, kind = 1 AND NOT shut))) + {gap:Int64} + 1000 < {mark:Int64}, 'unclosed',
			held = plain AND opens > 0 AND plain = 0, 'open',
			held = plain OR held = plain + late, 'agree',
			held > plain + late, 'more',
			held < plain, 'fewer',
			waits, 'pending',
			'late') AS class
	FROM (
		SELECT toUInt8(0) AS kind, visitor_id, event_time AS started, event_time AS ended, toUInt32(0) AS held, false AS shut, false AS rough, false AS stale, epoch AS newest,
			late_class = 'late' AS late_event,
			late_class = 'late' AND (event_time > fromUnixTimestamp64Milli({unsettled:Int64}) OR inserted_at > fromUnixTimestamp64Milli({fresh:Int64})) AS waiting,
			epoch >= {from:UInt64} AND epoch <= {to:UInt64} AS in_scope, has({differs:Array(UInt64)}, epoch) AS suspect
		FROM fact_events WHERE lane = {lane:UInt32} AND epoch <= {done:UInt64} AND late_class != 'too_late' AND /*visitors*/ cityHash64(visitor_id) % {buckets:UInt64} = {bucket:UInt64}
		UNION ALL
		SELECT toUInt8(1), visitor_id, started, ended, held, shut, rough, stored < fromUnixTimestamp64Milli({expired:Int64}), newest,
			false, false, newest >= {from:UInt64} AND newest <= {to:UInt64}, false
		FROM (` + liveSessions + `/*visitors*/ cityHash64(visitor_id) % {buckets:UInt64} = {bucket:UInt64} GROUP BY visitor_id, session_id) WHERE dead = 0
	) GROUP BY visitor_id
) GROUP BY class ORDER BY class`

// visitor is one that differs.
type visitor struct {
	id                          uuid.UUID
	plain, late, held, sessions uint64
}

// sessions holds the lane's sessions against its events, a share of the
// visitors at a time.
func (l *laneCheck) sessions(ctx context.Context) error {
	done := l.head.Epoch
	if !l.head.Kind.Done() {
		done--
	}
	args := l.args(l.from, l.to)
	ms := func(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }
	args["done"], args["gap"] = fmt.Sprint(done), fmt.Sprint(l.opt.Gap.Milliseconds())
	args["mark"] = fmt.Sprint(max(l.mark, 0))
	args["unsettled"] = fmt.Sprint(l.mark - l.opt.Settled.Milliseconds())
	if l.mark == 0 {
		args["unsettled"] = "0"
	}
	args["fresh"] = ms(time.Now().Add(-rebuildWithin))
	args["expired"] = "0"
	if ttl := l.expiry[schemas.TableName(schemas.FactEvents)]; ttl > 0 {
		// Four days: no event comes later than 72 h.
		args["expired"] = fmt.Sprint(max(0, time.Now().Add(-ttl+4*24*time.Hour).UnixMilli()))
	}
	args["differs"] = "[" + list(l.differs, 10_000, func(n uint64) string { return fmt.Sprint(n) }) + "]"
	if len(l.differs) > 10_000 {
		l.report.note("lane %d: sessions were not compared: too many epochs differ", l.Lane.Lane)
		return nil
	}
	query, in := sessionQuery, "lane = {lane:UInt32}"
	if l.from > 1 || l.to < done {
		// All the events of those visitors only that have one in the scope.
		in += " AND epoch >= {from:UInt64} AND epoch <= {to:UInt64}"
		query = strings.ReplaceAll(query, "/*visitors*/", "visitor_id IN (SELECT visitor_id FROM fact_events WHERE "+in+") AND")
	}
	var events uint64
	err := l.client.Each(ctx, "SELECT count() FROM fact_events WHERE "+in, args, func(rows driver.Rows) error { return rows.Scan(&events) })
	if err != nil {
		return fmt.Errorf("count the events of lane %d: %w", l.Lane.Lane, err)
	}
	buckets := events/rowsAtOnce + 1
	args["buckets"] = fmt.Sprint(buckets)
	for b := range buckets {
		args["bucket"] = fmt.Sprint(b)
		if buckets > 1 {
			l.opt.Progress(l.done, l.total, fmt.Sprintf("lane %d, sessions, part %d of %d", l.Lane.Lane, b+1, buckets))
		}
		if err := l.sessionBucket(ctx, query, args); err != nil {
			return err
		}
	}
	return nil
}

func (l *laneCheck) sessionBucket(ctx context.Context, query string, args ch.Parameters) error {
	differ := map[string][]visitor{}
	err := l.client.Each(ctx, query, args, func(rows driver.Rows) error {
		var class string
		var n uint64
		var tuples [][]any
		if err := rows.Scan(&class, &n, &tuples); err != nil {
			return err
		}
		v := &l.Visitors
		switch class {
		case "elsewhere":
		case "agree":
			v.Agree += n
		case "open":
			v.Open += n
		case "pending":
			v.Pending += n
		case "skipped":
			v.Skipped += n
		case "more", "fewer":
			// Rows of fact_events that are missing or doubled are named already.
			if class == "more" && l.missing || class == "fewer" && l.surplus {
				v.Skipped += n
				return nil
			}
			fallthrough
		default:
			v.Differ += n
			for _, t := range tuples {
				differ[class] = append(differ[class], visitor{t[0].(uuid.UUID), t[1].(uint64), t[2].(uint64), t[3].(uint64), t[4].(uint64)})
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare the sessions of lane %d with its events: %w", l.Lane.Lane, err)
	}
	for class, list := range differ {
		for _, v := range list {
			if err := l.sessionFinding(ctx, class, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// sessionFinding names one visitor whose sessions differ.
func (l *laneCheck) sessionFinding(ctx context.Context, class string, v visitor) error {
	const deleted = "rows of fact_sessions were deleted or changed: restore the partition from a backup. After a recovery that was marked partial, sessions open at that time are cut: see docs/operations.md"
	f := Finding{Lane: l.Lane.Lane, Check: "sessions", Table: "fact_sessions", Remedy: deleted}
	counts := fmt.Sprintf("visitor %s has %d events before its open session, its %d closed sessions hold %d", v.id, v.plain, v.sessions, v.held)
	switch class {
	case "overlap":
		f.What = fmt.Sprintf("sessions of visitor %s overlap", v.id)
		f.Remedy = "rows of fact_sessions were inserted by hand, or two owners wrote the visitor: this is a bug if nobody did; report it with the rows"
	case "unclosed":
		f.What = fmt.Sprintf("a session of visitor %s is open, but the watermark has long passed its last event", v.id)
	case "late":
		f.What = fmt.Sprintf("%s: its %d late events lie in no session", counts, v.late)
		f.Remedy = "the lane's owner rebuilds sessions for late events within 15 minutes; if this stays, the log of the lane's worker says why"
	default:
		f.What = counts
		if v.late > 0 {
			f.What += fmt.Sprintf(" (and %d late events)", v.late)
		}
	}
	args := l.args(0, 0)
	args["visitor"] = v.id.String()
	ofVisitor := liveSessions + "visitor_id = {visitor:UUID} GROUP BY visitor_id, session_id"
	var texts []string
	line := func(rows driver.Rows) error {
		var s string
		err := rows.Scan(&s)
		texts = append(texts, s)
		return err
	}
	query, intro := `SELECT concat(toString(session_id), ' ', toString(started), ' to ', toString(ended), ', ', toString(held), ' events') FROM (`+ofVisitor+`) WHERE dead = 0 ORDER BY started LIMIT 8`, "its sessions: "
	if class == "fewer" || class == "late" {
		intro = "in no session: "
		query = `SELECT concat('offset ', toString(kafka_offset), ' at ', toString(event_time), ' (epoch ', toString(epoch), ')') FROM fact_events
			WHERE lane = {lane:UInt32} AND visitor_id = {visitor:UUID} AND late_class != 'too_late'
			AND NOT arrayExists(s -> event_time >= s.1 AND event_time <= s.2, (SELECT groupArray((started, ended)) FROM (` + ofVisitor + `) WHERE dead = 0)) ORDER BY event_time LIMIT 8`
	}
	if err := l.client.Each(ctx, query, args, line); err != nil {
		return fmt.Errorf("look at visitor %s: %w", v.id, err)
	}
	if len(texts) > 0 {
		f.What += "; " + intro + strings.Join(texts, ", ")
	}
	l.report.add(f)
	return nil
}
