package transform

import "github.com/storepulse/storepulse/schemas"

// tenantGauges are running totals of one tenant; every change of a visitor or
// an order adds its difference, so that an epoch never scans the state.
type tenantGauges struct {
	open, active int64
	visitors     [schemas.NumPlatforms]int64
	unpaid       [4]int64 // by schemas.AgeBucketNames
}

// ageLimits are the lower ends of the age buckets after the first.
var ageLimits = [3]int64{15 * minute, hour, day}

// gauge replaces the visitor's share in the gauges.
func (s *State) gauge(v *visitor, open, active uint16, platform uint8) {
	g := &s.gauges[v.tenant]
	wasOpen, wasActive := uint16(v.open), uint16(v.active)
	if v.open == spilled || v.active == spilled {
		x := s.extend(v)
		wasOpen, wasActive, x.open, x.active = x.open, x.active, 0, 0
	}
	g.open += int64(open) - int64(wasOpen)
	g.active += int64(active) - int64(wasActive)
	if wasActive > 0 {
		g.visitors[v.platform]--
	}
	if active > 0 {
		g.visitors[platform]++
	}
	v.open, v.active, v.platform = uint8(min(open, spilled)), uint8(min(active, spilled)), platform
	if open >= spilled || active >= spilled {
		x := s.extend(v)
		x.open, x.active = open, active
	}
}

// ageOrder counts the order in its age bucket and queues it for the next
// change that the watermark alone makes.
func (s *State) ageOrder(i uint32, watermark int64) {
	o := s.orders.at(i)
	bucket, due := s.ageOf(o, watermark)
	s.setAge(o, bucket)
	if due <= watermark && o.link != 0 {
		s.orderWheel.remove(s, i) // it leaves with its session
		return
	}
	s.orderWheel.queue(s, i, due)
}

// ageOf gives 1 + the age bucket of an unpaid order, else 0, and the watermark
// at which that changes.
func (s *State) ageOf(o *order, watermark int64) (bucket uint8, due int64) {
	due = s.leaves(o) + 1
	if !s.unpaid(o) || due <= watermark {
		return 0, due
	}
	bucket = 1
	for _, limit := range ageLimits {
		change := o.at() + limit - s.outOfOrder
		if watermark < change {
			return bucket, min(due, change)
		}
		bucket++
	}
	return bucket, due
}

// unpaid says that the order waits for its payment (FUN-09).
func (s *State) unpaid(o *order) bool {
	return o.at() != 0 && o.paidAt == 0 && o.cancelled == 0 && o.flags&(orderTest|orderInternal|paysLater) == 0 &&
		o.kind != typePresale && o.linkableKind()
}

func (s *State) setAge(o *order, bucket uint8) {
	g := &s.gauges[o.tenant]
	if o.age > 0 {
		g.unpaid[o.age-1]--
	}
	if bucket > 0 {
		g.unpaid[bucket-1]++
	}
	o.age = bucket
}

// setGauges writes the lane's gauges as they stand at the watermark.
func (s *State) setGauges(watermark int64) {
	d, r := s.deltas, s.register
	for tenant := range s.gauges {
		g := &s.gauges[tenant]
		d.Set(tenant, r.SessionsOpen, g.open)
		d.Set(tenant, r.SessionsActive, g.active)
		for i, n := range g.visitors {
			d.Set(tenant, r.VisitorsActive, n, i)
		}
		for i, n := range g.unpaid {
			d.Set(tenant, r.OrdersUnpaid, n, i)
		}
		d.Set(tenant, r.LastPaidOrder, s.lastPaid[tenant]/second)
		today := s.days[tenant].date(watermark)
		for p := range int(schemas.NumPlatforms) {
			d.Set(tenant, r.VisitorsToday, s.today.visits[tenant].count(today, p), p)
			d.Set(tenant, r.BuyersToday, s.today.buys[tenant].count(today, p), p)
		}
	}
}

// Gauges sets the lane's gauges as they stand at a time after the watermark of a
// lane that holds no session: the day may be over, orders age. Counters and the
// state are left alone.
func (s *State) Gauges(d *schemas.Deltas, at int64) {
	s.deltas = d
	s.setGauges(at)
	if at <= s.watermark {
		return
	}
	unpaid := make([][4]int64, len(s.gauges))
	for _, i := range s.orderIndex {
		o := s.orders.at(i)
		if bucket, _ := s.ageOf(o, at); bucket > 0 {
			unpaid[o.tenant][bucket-1]++
		}
	}
	for tenant := range unpaid {
		for i, n := range unpaid[tenant] {
			d.Set(tenant, s.register.OrdersUnpaid, n, i)
		}
	}
}
