package transform

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/storepulse/storepulse/schemas"
)

// click is one clickstream event of a test.
type click struct {
	visitor, user, id, order        string
	at                              int64 // Unix ms
	kind                            schemas.Kind
	page, channel, platform, region uint8
	sequence                        uint64
	test, internal, bot             bool
	received                        int64 // 0 = at
	stamp                           int64 // Kafka timestamp, 0 = received
	ahead                           int64 // how far the event and its collector are ahead of at, which is the stamp
	sent                            int64
	anyVisitor                      schemas.ID
	tenant                          uint8
}

// sale is one event of the orders topic of a test.
type sale struct {
	order, visitor, user, id string
	owner                    int
	at, created, paidAt      int64
	ahead                    int64 // how far the event and its collector are ahead of at, which is the stamp
	kind                     schemas.Kind
	version                  uint64
	payable, paid, refund    int64
	currency                 string
	orderType, platform      uint8
	method                   uint8 // of payment
	tenant                   uint8
	test                     bool
}

func visitorID(name string) schemas.ID {
	id, _ := schemas.VisitorID(nil, "shop", "", []byte(name))
	return id
}

func hash(name string) uint64 {
	if name == "" {
		return 0
	}
	return max(1, xxh3.HashString(name))
}

// testVocabulary has one shop in Shanghai and one that counts in yen.
func testVocabulary(tb testing.TB) *schemas.Vocabulary {
	tb.Helper()
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		tb.Fatal(err)
	}
	v, err := schemas.NewVocabulary([schemas.NumTopics]string{"ecom.clickstream.v1", "ecom.orders.v1"},
		[]schemas.Tenant{{ID: "shop", Location: shanghai, Currency: "CNY"}, {ID: "tokyo", Location: time.UTC, Currency: "JPY"}}, nil, []string{"shoes"})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// addClick fills a row of every clickstream column.
func addClick(b *schemas.Batch, offset int64, c *click) {
	e := b.Events
	dedup, _ := schemas.DedupID(nil, []byte("/t"), []byte(c.id))
	e.Topic.Append(0)
	e.Offset.Append(offset)
	e.Tenant.Append(c.tenant)
	e.EventID.AppendString(c.id)
	e.Source.AppendString("/t")
	e.Type.Append(uint8(c.kind))
	e.Time.Append(c.at + c.ahead)
	received := cmp.Or(c.received, c.at)
	e.Received.Append(received + c.ahead)
	e.Day.Append(0)
	visitor := c.anyVisitor
	if visitor == (schemas.ID{}) {
		visitor = visitorID(c.visitor)
	}
	e.Visitor.Append(visitor)
	e.User.Append(hash(c.user))
	for _, s := range []*schemas.Strings{
		&e.AnonymousID, &e.UserID, &e.ClientSession, &e.PageURL, &e.Referrer, &e.UTMSource, &e.UTMMedium,
		&e.UTMCampaign, &e.ItemID, &e.Category, &e.Items, &e.OrderID, &e.Query, &e.Extra,
	} {
		s.AppendString("")
	}
	e.Platform.Append(c.platform)
	e.Device.Append(uint8(schemas.Platform(c.platform).Device()))
	e.PageType.Append(c.page)
	e.Channel.Append(c.channel)
	e.Region.Append(c.region)
	e.ItemCount.Append(0)
	e.Quantity.Append(0)
	e.Value.Append(0)
	e.Currency.Append(0)
	e.ResultCount.Append(0)
	e.Consent.Append(0)
	e.Sequence.Append(c.sequence)
	e.IsTest.Append(bit(c.test))
	e.IsInternal.Append(bit(c.internal))
	e.IsBot.Append(bit(c.bot))
	e.TimeCorrected.Append(0)
	e.HasSearchResult.Append(0)
	e.Late.Append(0)
	e.Kind.Append(uint8(c.kind))
	e.Sent.Append(c.sent)
	e.Stamp.Append(cmp.Or(c.stamp, received))
	e.Explicit.Append(bit(c.received+c.ahead != 0))
	e.Key.Append(schemas.EventKey(c.sequence, dedup))
	e.Dedup.Append(dedup)
	e.Order.Append(hash(c.order))
}

// addSale fills a row of every column of the orders topic.
func addSale(b *schemas.Batch, offset int64, x *sale) {
	o := b.Orders
	dedup, _ := schemas.DedupID(nil, []byte("/oms"), []byte(x.id))
	o.Topic.Append(1)
	o.Offset.Append(offset)
	o.Tenant.Append(x.tenant)
	o.EventID.AppendString(x.id)
	o.Source.AppendString("/oms")
	o.Type.Append(uint8(x.kind))
	o.Time.Append(x.at + x.ahead)
	o.Received.Append(x.at + x.ahead)
	o.Stamp.Append(x.at)
	o.Day.Append(0)
	o.OrderID.AppendString(x.order)
	o.Order.Append(hash(x.order))
	o.Version.Append(x.version)
	o.Rank.Append(x.kind.StatusRank())
	switch {
	case x.visitor != "":
		o.Visitor.Append(visitorID(x.visitor))
		o.HasAnon.Append(identAnonymous)
	case x.user != "":
		o.Visitor.Append(visitorID("u:" + x.user))
		o.HasAnon.Append(identUser)
	default:
		o.Visitor.Append(visitorID("o:" + x.order))
		o.HasAnon.Append(0)
	}
	o.User.Append(hash(x.user))
	for _, s := range []*schemas.Strings{&o.Anonymous, &o.UserID, &o.AttemptID, &o.ErrorCode, &o.RefundID, &o.Extra} {
		s.AppendString("")
	}
	for _, d := range []*schemas.Dict{&o.Device, &o.Fulfillment, &o.Region, &o.PaymentError, &o.CancelReason, &o.RefundType, &o.RefundReason, &o.Late} {
		d.Append(0)
	}
	currency := x.currency
	if currency == "" {
		currency = "CNY"
	}
	o.OrderType.Append(x.orderType)
	o.Platform.Append(x.platform)
	o.PaymentMethod.Append(x.method)
	o.Currency.Append(schemas.CurrencyIndex([]byte(currency)))
	for _, m := range []*schemas.Fixed[int64]{&o.Goods, &o.Discount, &o.Freight, &o.Tax, &o.Sent} {
		m.Append(0)
	}
	o.Payable.Append(x.payable)
	o.Paid.Append(x.paid)
	o.Refund.Append(x.refund)
	o.CancelPaid.Append(0)
	for column, t := range map[*schemas.NullTimes]int64{&o.CreatedAt: x.created, &o.PaidAt: x.paidAt} {
		if t == x.at {
			t += x.ahead
		}
		column.Append(t)
	}
	o.ItemCount.Append(0)
	o.Units.Append(0)
	o.IsTest.Append(bit(x.test))
	for _, f := range []*schemas.Fixed[uint8]{&o.IsInternal, &o.PayableMismatch, &o.TimeCorrected} {
		f.Append(0)
	}
	o.Explicit.Append(bit(x.ahead != 0))
	o.Kind.Append(uint8(x.kind))
	o.Dedup.Append(dedup)
}

// lane drives one state through epochs.
type lane struct {
	tb      testing.TB
	v       *schemas.Vocabulary
	r       *schemas.Register
	state   *State
	batch   *schemas.Batch
	out     *Output
	epoch   uint64
	offsets [2]int64

	unchecked bool // the state is too large to be looked at after each epoch, or was read from arbitrary bytes

	facts    *standing // nil: nobody is asked for copies
	suspects Suspects
}

func newLane(tb testing.TB, v *schemas.Vocabulary, settings Settings) *lane {
	r := schemas.NewRegister(v)
	return &lane{tb: tb, v: v, r: r, state: New(v, r, settings), batch: schemas.NewBatch(v), out: NewOutput(v, r)}
}

func (l *lane) click(c *click) { addClick(l.batch, l.offsets[0], c); l.offsets[0]++ }
func (l *lane) sale(x *sale)   { addSale(l.batch, l.offsets[1], x); l.offsets[1]++ }

// end applies the batch as an epoch and gives the output, valid until the next.
// The batch is reset by next.
func (l *lane) end(watermark int64) *Output {
	l.tb.Helper()
	l.epoch++
	watermark = max(watermark, l.state.NextWatermark(l.batch))
	in := Input{Epoch: l.epoch, Batch: l.batch, Watermark: watermark, LastClick: l.offsets[0] - 1}
	if l.facts != nil {
		l.state.Suspects(l.batch, &l.suspects)
		in.Copies = l.facts.copies(l.tb, &l.suspects)
	}
	if err := l.state.Apply(Version, in, l.out); err != nil {
		l.tb.Fatal(err)
	}
	if l.facts != nil {
		l.facts.add(l.tb, l.batch)
	}
	if !l.unchecked {
		if err := l.state.whole(); err != nil {
			l.tb.Fatalf("the state after epoch %d: %v", l.epoch, err)
		}
	}
	return l.out
}

func (l *lane) next() { l.batch.Reset() }

// reopen replaces the state by a restored snapshot of it.
func (l *lane) reopen() {
	l.tb.Helper()
	b := l.state.Snapshot(nil)
	s, err := Restore(l.v, l.r, DefaultSettings(), b)
	if err != nil {
		l.tb.Fatal(err)
	}
	if err := s.whole(); err != nil {
		l.tb.Fatalf("the restored state: %v", err)
	}
	if again := s.Snapshot(nil); string(again) != string(b) {
		l.tb.Fatalf("a restored state gives another snapshot: %d and %d bytes", len(again), len(b))
	}
	l.state = s
}

// fingerprint is a hash of every column of the facts and of all deltas.
func fingerprint(b *schemas.Batch, out *Output) uint64 {
	h := xxh3.New()
	for _, f := range []schemas.Facts{b.Events, b.Orders, b.Items, out.Sessions, out.Refunds, out.Late} {
		rec := schemas.NewRecord(f)
		for _, c := range rec.Columns() {
			for _, buf := range c.Data().Buffers() {
				if buf != nil {
					_, _ = h.Write(buf.Bytes())
				}
			}
			for _, child := range c.Data().Children() {
				for _, buf := range child.Buffers() {
					if buf != nil {
						_, _ = h.Write(buf.Bytes())
					}
				}
			}
		}
		rec.Release()
	}
	for _, t := range out.Deltas.Tenants {
		for _, n := range t {
			if n != 0 {
				_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
			}
		}
	}
	_, _ = fmt.Fprint(h, out.Counts)
	return h.Sum64()
}
