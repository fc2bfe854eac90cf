package judge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

// judgeSessions holds the live rows of fact_sessions against the slow
// sessionizer over all accepted events. All sessions must be closed.
func (j *judgement) judgeSessions(ctx context.Context, _ Records) error {
	want := map[string]oracle.Session{}
	for _, s := range oracle.Sessions(j.clicks, j.orderEvents, oracle.Settings{Gap: j.Gap, MaxLength: j.MaxLength, PayWindow: j.PayWindow}) {
		want[s.ID] = s
	}
	j.report.Sessions = len(want)
	err := j.each(ctx, "sessions", sessionQuery, func(rows driver.Rows) error {
		got, err := scanSession(rows)
		if err != nil {
			return err
		}
		s, ok := want[got.ID]
		if !ok {
			j.report.fail(&j.report.SessionsWrong, "sessions: one too many\n%s", describe(got))
		} else if s != got {
			j.report.fail(&j.report.SessionsWrong, "sessions: %s of visitor %s (-row +oracle)\n%s", got.ID, got.Visitor, diff(got, s))
		}
		delete(want, got.ID)
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range want {
		j.report.fail(&j.report.SessionsWrong, "sessions: one is missing\n%s", describe(s))
	}
	return nil
}

func describe(s oracle.Session) string { return strings.TrimPrefix(fmt.Sprintf("%+v", s), "oracle.") }

const sessionQuery = `SELECT toString(session_id), toString(visitor_id), user_hash, toUnixTimestamp64Milli(start_time), toUnixTimestamp64Milli(end_time), events, page_views,
	landing_page_type, exit_page_type, channel, platform, region, max_stage, stages_raw,
	ifNull(toUnixTimestamp64Milli(first_product_view), 0), ifNull(toUnixTimestamp64Milli(first_add_to_cart), 0), ifNull(toUnixTimestamp64Milli(first_checkout_start), 0),
	ifNull(toUnixTimestamp64Milli(first_order_submit), 0), ifNull(toUnixTimestamp64Milli(first_pay), 0),
	orders, orders_paid, placed_minor, paid_minor, currency, arrayStringConcat(arrayMap(h -> lower(leftPad(hex(h), 16, '0')), order_hashes), ' '),
	is_bounce, is_engaged, cart_skipped, is_bot, is_test, is_internal, is_approximate, is_closed
	FROM fact_sessions FINAL WHERE is_deleted = 0`

func scanSession(rows driver.Rows) (oracle.Session, error) {
	var s oracle.Session
	var landing, exit, channel, platform, region, stage, currency string
	err := rows.Scan(&s.ID, &s.Visitor, &s.User, &s.Start, &s.End, &s.Events, &s.PageViews, &landing, &exit, &channel, &platform, &region, &stage, &s.StagesRaw,
		&s.FirstView, &s.FirstCart, &s.FirstCheckout, &s.FirstSubmit, &s.FirstPay, &s.Orders, &s.OrdersPaid, &s.Placed, &s.Paid, &currency, &s.OrderHashes,
		&s.Bounce, &s.Engaged, &s.CartSkipped, &s.Bot, &s.Test, &s.Internal, &s.Approx, &s.Closed)
	for _, w := range []struct {
		into  *uint8
		word  string
		names []string
	}{
		{&s.Landing, landing, schemas.PageTypeNames},
		{&s.Exit, exit, schemas.PageTypeNames},
		{&s.Channel, channel, schemas.ChannelNames},
		{&s.Platform, platform, schemas.PlatformNames},
		{&s.Region, region, schemas.RegionNames},
		{&s.MaxStage, stage, schemas.StageNames[:]},
		{&s.Currency, currency, schemas.CurrencyNames()},
	} {
		n := slices.Index(w.names, w.word)
		if n < 0 && err == nil {
			err = fmt.Errorf("session %s: %q is not a word of its list", s.ID, w.word)
		}
		*w.into = uint8(max(n, 0))
	}
	return s, err
}
