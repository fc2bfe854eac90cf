// Package rebuild reads the past of a lane from the fact tables, as far as the
// transform asks for it to write sessions with late events anew. It keeps
// nothing and decides nothing: the pipeline calls it, the transform judges.
package rebuild

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
	"github.com/storepulse/storepulse/transform"
)

// chunk bounds one query: its values travel in the address of a request.
const chunk = 200

// Store answers from ClickHouse. It is safe for concurrent use.
type Store struct {
	c     *clickhouse.Client
	words words
}

// NewStore makes a store for a pipeline of the given vocabulary.
func NewStore(c *clickhouse.Client, v *schemas.Vocabulary) *Store {
	return &Store{c: c, words: newWords(v)}
}

// Past answers the ask from the facts of the lane's epochs before the given
// one, which are done and do not change. Only sessions are asked for whatever
// their epoch: a row of the epoch itself may have replaced the older one.
func (s *Store) Past(ctx context.Context, lane uint32, epoch uint64, a *transform.Ask) (*transform.Past, error) {
	p := &transform.Past{}
	of := ch.Parameters{"lane": fmt.Sprint(lane), "epoch": fmt.Sprint(epoch), "most": fmt.Sprint(transform.MaxPast + 1)}
	for spans := range chunks(a.Clicks) {
		if err := s.clicks(ctx, p, with(of, spans), "visitor_id IN {visitors:Array(UUID)}", inSpans("event_time"), "visitor_id"); err != nil {
			return nil, fmt.Errorf("read events of lane %d: %w", lane, err)
		}
	}
	for spans := range chunks(a.Owned) {
		if err := s.owned(ctx, p, with(of, spans)); err != nil {
			return nil, fmt.Errorf("read whose orders those of lane %d are: %w", lane, err)
		}
	}
	for hashes := range slices.Chunk(a.Orders, chunk) {
		if err := s.orders(ctx, p, of, hashes); err != nil {
			return nil, fmt.Errorf("read orders of lane %d: %w", lane, err)
		}
	}
	for spans := range chunks(a.Sessions) {
		if err := s.sessions(ctx, p, with(of, spans)); err != nil {
			return nil, fmt.Errorf("read sessions of lane %d: %w", lane, err)
		}
	}
	return p, nil
}

// chunks cuts the spans by time, so that a query meets few partitions.
func chunks(spans []transform.Span) func(yield func([]transform.Span) bool) {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b transform.Span) int { return cmp.Compare(a.From, b.From) })
	return slices.Chunk(spans, chunk)
}

// with adds the spans to the values of a query.
func with(of ch.Parameters, spans []transform.Span) ch.Parameters {
	var visitors, froms, tos []string
	first, last := spans[0].From, spans[0].To
	for _, r := range spans {
		visitors = append(visitors, "'"+uuid.UUID(r.Visitor).String()+"'")
		froms, tos = append(froms, fmt.Sprint(r.From)), append(tos, fmt.Sprint(r.To))
		first, last = min(first, r.From), max(last, r.To)
	}
	list := func(v []string) string { return "[" + strings.Join(v, ",") + "]" }
	args := ch.Parameters{"visitors": list(visitors), "froms": list(froms), "tos": list(tos), "first": fmt.Sprint(first), "last": fmt.Sprint(last)}
	for k, v := range of {
		args[k] = v
	}
	return args
}

// inSpans says that a time lies in a span of its row's visitor; partitions are
// left out by the business date, which is never two days from the time.
func inSpans(column string) string {
	return anySpan("v = visitor_id AND toUnixTimestamp64Milli("+column+") BETWEEN f AND t") +
		` AND business_date BETWEEN toDate(fromUnixTimestamp64Milli({first:Int64})) - 2 AND toDate(fromUnixTimestamp64Milli({last:Int64})) + 2`
}

// anySpan says that the condition holds for the visitor v and the ends f and t of a span.
func anySpan(condition string) string {
	return "arrayExists((v, f, t) -> " + condition + ", {visitors:Array(UUID)}, {froms:Array(Int64)}, {tos:Array(Int64)})"
}

func (s *Store) clicks(ctx context.Context, p *transform.Past, args ch.Parameters, index, where, by string) error {
	return s.c.Each(ctx, `SELECT kafka_offset, toUnixTimestamp64Milli(event_time), visitor_id, source, event_id, sequence, event_type, tenant,
			page_type, channel, platform, region, user_hash, order_id, is_test, is_internal, is_bot
		FROM fact_events PREWHERE lane = {lane:UInt32} AND epoch < {epoch:UInt64} AND `+index+`
		WHERE late_class != 'too_late' AND `+where+` LIMIT {most:UInt32} BY `+by, args, func(rows driver.Rows) error {
		var (
			k                                      transform.PastClick
			visitor                                uuid.UUID
			source, id, kind, tenant, page         string
			channel, platform, region, order       string
			sequence                               uint64
			offset, t                              int64
			user                                   uint64
			isTest, isInternal, isBot              bool
			dest                                   = []any{&offset, &t, &visitor, &source, &id, &sequence, &kind, &tenant, &page, &channel, &platform, &region, &user, &order, &isTest, &isInternal, &isBot}
			dedup                                  schemas.ID
			ok, okKind, okPage, okChannel, okPlace bool
		)
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		k.Offset, k.Time, k.Visitor, k.User = offset, t, schemas.ID(visitor), user
		k.IsTest, k.IsInternal, k.IsBot = isTest, isInternal, isBot
		k.Tenant, ok = s.words.tenants.index(tenant)
		k.Kind, okKind = s.words.kind(kind)
		k.PageType, okPage = s.words.pages.index(page)
		k.Channel, okChannel = s.words.channels.index(channel)
		k.Platform, _ = s.words.platforms.index(platform)
		k.Region, okPlace = s.words.regions.index(region)
		if !ok || !okKind || !okPage || !okChannel || !okPlace {
			return fmt.Errorf("event at offset %d is of shop %q, type %q, page type %q, channel %q, region %q, and not all of them are configured: keep them configured until their sessions are settled", offset, tenant, kind, page, channel, region)
		}
		dedup, _ = schemas.DedupID(nil, []byte(source), []byte(id))
		k.Key = schemas.EventKey(sequence, dedup)
		if order != "" {
			k.Order, _ = schemas.Hash64(nil, tenant, []byte(order))
			k.Naming = schemas.Kind(k.Kind) == schemas.KindOrderSubmit || schemas.Kind(k.Kind) == schemas.KindPurchase
		}
		p.Clicks = append(p.Clicks, k)
		return nil
	})
}

// owned reads the orders of which one event names the visitor and one tells a
// time in the span. No date bounds how far apart the two lie; the indexes by
// visitor and by order leave parts of the table out.
func (s *Store) owned(ctx context.Context, p *transform.Past, args ch.Parameters) error {
	return s.c.Each(ctx, `SELECT order_hash FROM (
			SELECT order_hash, groupUniqArray(visitor_id) AS owners, groupUniqArrayArray([toUnixTimestamp64Milli(event_time), toUnixTimestamp64Milli(received_at),
				ifNull(toUnixTimestamp64Milli(created_at), 0), ifNull(toUnixTimestamp64Milli(paid_at), 0)]) AS times
			FROM fact_order_events PREWHERE lane = {lane:UInt32} AND epoch < {epoch:UInt64} AND order_hash IN (
				SELECT order_hash FROM fact_order_events PREWHERE lane = {lane:UInt32} AND epoch < {epoch:UInt64} AND visitor_id IN {visitors:Array(UUID)})
			GROUP BY order_hash)
		WHERE `+anySpan("has(owners, v) AND arrayExists(x -> x BETWEEN f AND t, times)"), args, func(rows driver.Rows) error {
		var hash uint64
		err := rows.Scan(&hash)
		p.Owned = append(p.Owned, hash)
		return err
	})
}

// orders reads all events of the orders, then the clicks that name them.
func (s *Store) orders(ctx context.Context, p *transform.Past, of ch.Parameters, hashes []uint64) error {
	args := ch.Parameters{"hashes": strings.ReplaceAll(fmt.Sprint(hashes), " ", ",")}
	for k, v := range of {
		args[k] = v
	}
	ids := map[string]bool{}
	err := s.c.Each(ctx, `SELECT kafka_offset, toUnixTimestamp64Milli(event_time), toUnixTimestamp64Milli(received_at), order_id, order_hash, order_version, visitor_id,
			multiIf(anonymous_id != '', 1, user_id != '', 2, 0), ifNull(toUnixTimestamp64Milli(created_at), 0), ifNull(toUnixTimestamp64Milli(paid_at), 0),
			payable_minor, paid_minor, status_rank, tenant, event_type, platform, currency, ship_region, order_type, is_test, is_internal
		FROM fact_order_events PREWHERE lane = {lane:UInt32} AND epoch < {epoch:UInt64} AND order_hash IN {hashes:Array(UInt64)}
		LIMIT {most:UInt32} BY order_hash`, args, func(rows driver.Rows) error {
		var (
			e                                                             transform.PastOrder
			visitor                                                       uuid.UUID
			order, tenant, kind, platform, currency, region, of           string
			okTenant, okKind, okPlatform, okCurrency, okRegion, okOrderOf bool
		)
		if err := rows.Scan(&e.Offset, &e.Time, &e.Received, &order, &e.Order, &e.Version, &visitor, &e.Identity, &e.CreatedAt, &e.PaidAt,
			&e.Payable, &e.Paid, &e.Rank, &tenant, &kind, &platform, &currency, &region, &of, &e.IsTest, &e.IsInternal); err != nil {
			return err
		}
		ids[order] = true
		e.Visitor = schemas.ID(visitor)
		e.Tenant, okTenant = s.words.tenants.index(tenant)
		e.Kind, okKind = s.words.kind(kind)
		e.Platform, okPlatform = s.words.platforms.index(platform)
		e.Currency, okCurrency = s.words.currencies.index(currency)
		e.Region, okRegion = s.words.regions.index(region)
		e.OrderType, okOrderOf = s.words.orderTypes.index(of)
		if !okTenant || !okKind || !okPlatform || !okCurrency || !okRegion || !okOrderOf {
			return fmt.Errorf("order event at offset %d is of shop %q, type %q, platform %q, currency %q, region %q, order type %q, and not all of them are known: keep them configured until their sessions are settled",
				e.Offset, tenant, kind, platform, currency, region, of)
		}
		p.Orders = append(p.Orders, e)
		return nil
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	list := make([]string, 0, len(ids))
	for id := range ids {
		list = append(list, hex.EncodeToString([]byte(id))) // any bytes may be in an id
	}
	slices.Sort(list)
	for part := range clickhouse.Chunks(list, chunk, func(id *string) string { return *id }) {
		args["ids"] = strings.Join(part, ",")
		err := s.clicks(ctx, p, args, "order_id IN (SELECT unhex(arrayJoin(splitByChar(',', {ids:String}))))", "event_type IN ('order_submit', 'purchase')", "tenant, order_id")
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sessions(ctx context.Context, p *transform.Past, args ch.Parameters) error {
	return s.c.Each(ctx, `SELECT DISTINCT session_id, visitor_id, toUnixTimestamp64Milli(start_time), tenant FROM fact_sessions
		PREWHERE lane = {lane:UInt32} AND visitor_id IN {visitors:Array(UUID)} WHERE `+inSpans("start_time"), args, func(rows driver.Rows) error {
		var (
			x           transform.PastSession
			id, visitor uuid.UUID
			tenant      string
			ok          bool
		)
		if err := rows.Scan(&id, &visitor, &x.Start, &tenant); err != nil {
			return err
		}
		x.Session, x.Visitor = schemas.ID(id), schemas.ID(visitor)
		if x.Tenant, ok = s.words.tenants.index(tenant); !ok {
			return fmt.Errorf("session %s is of shop %q, which is not configured: keep it under tenants until its sessions are settled", id, tenant)
		}
		p.Sessions = append(p.Sessions, x)
		return nil
	})
}
