package transform

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/storepulse/storepulse/schemas"
)

// row appends a version of the session to the output.
func (s *State) row(v *visitor, f *fold, closed bool) {
	t := s.out.Sessions
	s.rowHead(v, f.start, f.key)
	t.User.Append(f.user)
	t.End.Append(f.end)
	t.Events.Append(f.events)
	t.PageViews.Append(f.views)
	t.Landing.Append(f.landing)
	t.Exit.Append(f.exit)
	t.Channel.Append(f.channel)
	t.Platform.Append(f.platform)
	t.Device.Append(uint8(schemas.Platform(f.platform).Device()))
	t.Region.Append(f.region)
	t.MaxStage.Append(f.stage)
	t.StagesRaw.Append(f.raw)
	t.FirstView.Append(f.firstView)
	t.FirstCart.Append(f.firstCart)
	t.FirstCheckout.Append(f.firstCheckout)
	t.FirstSubmit.Append(f.firstSubmit)
	t.FirstPay.Append(f.firstPay)
	t.Orders.Append(f.orders)
	t.OrdersPaid.Append(f.ordersPaid)
	t.Placed.Append(f.placed)
	t.Paid.Append(f.paid)
	t.Currency.Append(f.currency)
	s.hashes = s.hashes[:0]
	for _, l := range s.linked[f.firstOrder:f.lastOrder] {
		s.hashes = append(s.hashes, l.hash)
	}
	t.OrderHashes.Append(s.hashes)
	t.IsBounce.Append(bit(f.bounce()))
	t.IsEngaged.Append(bit(f.engaged()))
	t.CartSkipped.Append(bit(f.cartSkipped()))
	t.IsBot.Append(bit(f.bot))
	t.IsTest.Append(bit(f.test))
	t.IsInternal.Append(bit(f.internal))
	t.Approximate.Append(bit(f.approximate))
	t.Closed.Append(bit(closed))
	t.MergedInto.Append(schemas.ID{})
	t.IsDeleted.Append(0)
}

// tombstone withdraws an emitted session. It repeats the columns that the
// table is sorted by and nothing else.
func (s *State) tombstone(v *visitor, r *session, heir *fold) {
	t := s.out.Sessions
	s.rowHead(v, r.start, r.key)
	t.User.Append(0)
	t.End.Append(r.start)
	t.Events.Append(0)
	t.PageViews.Append(0)
	for _, c := range [...]*schemas.Dict{&t.Landing, &t.Exit, &t.Channel, &t.Platform, &t.Device, &t.Region, &t.MaxStage, &t.Currency} {
		c.Append(0)
	}
	t.StagesRaw.Append(0)
	for _, c := range [...]*schemas.NullTimes{&t.FirstView, &t.FirstCart, &t.FirstCheckout, &t.FirstSubmit, &t.FirstPay} {
		c.Append(0)
	}
	t.Orders.Append(0)
	t.OrdersPaid.Append(0)
	t.Placed.Append(0)
	t.Paid.Append(0)
	t.OrderHashes.Append(nil)
	for _, c := range [...]*schemas.Fixed[uint8]{&t.IsBounce, &t.IsEngaged, &t.CartSkipped, &t.IsBot, &t.IsTest, &t.IsInternal, &t.Approximate, &t.Closed} {
		c.Append(0)
	}
	var into schemas.ID
	if heir != nil {
		into = sessionID(v.id, heir.start, heir.key)
	}
	t.MergedInto.Append(into)
	t.IsDeleted.Append(1)
}

func (s *State) rowHead(v *visitor, start int64, key uint64) {
	t := s.out.Sessions
	t.Topic.Append(uint8(s.cause.topic))
	t.Offset.Append(s.cause.offset)
	t.Tenant.Append(v.tenant)
	t.Session.Append(sessionID(v.id, start, key))
	t.Visitor.Append(v.id)
	t.Day.Append(s.days[v.tenant].date(start))
	t.Start.Append(start)
	s.ordinal++
	t.Version.Append(s.epoch<<20 | s.ordinal)
}

// digest covers every column of the row that its session decides.
func (s *State) digest(f *fold) uint64 {
	b := s.scratch[:0]
	for _, n := range [...]uint64{
		uint64(f.start), f.key, uint64(f.end), f.user, uint64(f.events), uint64(f.views), uint64(f.firstView), uint64(f.firstCart),
		uint64(f.firstCheckout), uint64(f.firstSubmit), uint64(f.firstPay), uint64(f.placed), uint64(f.paid), f.links,
		uint64(f.orders)<<16 | uint64(f.ordersPaid),
	} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = append(b, f.landing, f.exit, f.channel, f.platform, f.region, f.raw, f.stage, f.currency,
		bit(f.bounce()), bit(f.engaged()), bit(f.bot), bit(f.test), bit(f.internal), bit(f.approximate))
	s.scratch = b
	return xxh3.Hash(b)
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
