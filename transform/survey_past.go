package transform

import (
	"cmp"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// findClusters brings the visitor's clusters up to date and asks for what they lack.
func (x *survey) findClusters(a *Ask, id schemas.ID) {
	v, reach := x.past[id], x.s.reach()
	v.settle()
	v.clusters = v.clusters[:0]
	need := func(from, to int64) bool {
		if covered(v.loaded, from, to) {
			return false
		}
		a.Clicks = append(a.Clicks, Span{id, from - v.pad, to + v.pad})
		return true
	}
	for _, r := range v.regions {
		if need(r.from-reach, r.to+reach) {
			continue
		}
		i, _ := slices.BinarySearchFunc(v.clicks, r.from, func(c PastClick, t int64) int { return cmp.Compare(c.Time, t) })
		for i < len(v.clicks) && v.clicks[i].Time <= r.to {
			c := v.clusterAt(id, i, reach)
			i = c.last + 1
			if slices.ContainsFunc(v.clusters, func(k *cluster) bool { return k.from == c.from }) {
				continue
			}
			v.clusters = append(v.clusters, c)
			if v.big || c.last-c.first >= MaxPast {
				c.state |= big
				continue
			}
			if need(c.from-reach, c.to+reach) {
				c.state |= lacks
				continue
			}
			if x.s.final(c.to) >= x.s.watermark || x.s.holds(id, c.from-reach, c.to+reach) {
				c.state |= held
				continue
			}
			if own := (interval{c.from - clockTolerance, c.to + x.s.gap + clockTolerance}); !covered(v.owned, own.from, own.to) {
				a.Owned = append(a.Owned, Span{id, own.from, own.to})
				c.state |= lacks
			}
			for _, k := range v.clicks[c.first : c.last+1] {
				if k.Naming && k.Order != 0 {
					if o := x.order(k.Order); !o.known {
						c.state |= lacks
					}
				}
			}
		}
	}
}

// clusterAt gives the cluster around click i, as far as it is loaded.
func (v *pastVisitor) clusterAt(id schemas.ID, i int, reach int64) *cluster {
	c := &cluster{visitor: id, first: i, last: i}
	for c.first > 0 && v.clicks[c.first].Time-v.clicks[c.first-1].Time <= reach {
		c.first--
	}
	for c.last+1 < len(v.clicks) && v.clicks[c.last+1].Time-v.clicks[c.last].Time <= reach {
		c.last++
	}
	c.from, c.to, c.group = v.clicks[c.first].Time, v.clicks[c.last].Time, c
	return c
}

// settle sorts the clicks and drops copies: the one with the lowest offset is
// the event.
func (v *pastVisitor) settle() {
	if !v.changed {
		return
	}
	v.changed = false
	slices.SortFunc(v.clicks, func(a, b PastClick) int { return cmp.Compare(a.Offset, b.Offset) })
	seen := make(map[uint64]bool, len(v.clicks))
	v.clicks = slices.DeleteFunc(v.clicks, func(c PastClick) bool {
		was := seen[c.Key&hashMask]
		seen[c.Key&hashMask] = true
		return was
	})
	slices.SortFunc(v.clicks, func(a, b PastClick) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Key, b.Key)) })
}

// regionsOf lists where the order's session may be or may have been, by every
// time and owner that any of its events tells.
func (x *survey) regionsOf(o *pastOrder) (list []Span) {
	for _, t := range o.times {
		for _, id := range o.owners {
			list = append(list, Span{id, t - x.s.gap - clockTolerance, t + clockTolerance})
		}
	}
	for _, c := range o.names {
		if slices.ContainsFunc(o.times, func(t int64) bool { return c.Time >= t-x.s.gap && c.Time <= t+x.s.gap }) {
			list = append(list, Span{c.Visitor, c.Time, c.Time})
		}
	}
	return list
}

// reached says that a cluster which is to be written may have the order's link.
func (x *survey) reached(o *pastOrder) bool {
	for _, r := range x.regionsOf(o) {
		if x.cluster(r, func(c *cluster) bool { return c.state&(held|big) == 0 }) != nil {
			return true
		}
	}
	return false
}

// cluster finds a known cluster in the span.
func (x *survey) cluster(r Span, ok func(*cluster) bool) *cluster {
	v := x.past[r.Visitor]
	if v == nil {
		return nil
	}
	for _, c := range v.clusters {
		if c.from <= r.To && c.to >= r.From && ok(c) {
			return c
		}
	}
	return nil
}

// settle works out the times and owners that the order's events tell.
func (o *pastOrder) settle() {
	o.known = true
	slices.SortFunc(o.events, func(a, b PastOrder) int { return cmp.Compare(a.Offset, b.Offset) })
	o.events = slices.CompactFunc(o.events, func(a, b PastOrder) bool { return a.Offset == b.Offset })
	slices.SortFunc(o.names, func(a, b PastClick) int { return cmp.Compare(a.Offset, b.Offset) })
	o.names = slices.CompactFunc(o.names, func(a, b PastClick) bool { return a.Offset == b.Offset })
	tell := func(t int64) {
		if !slices.Contains(o.times, t) {
			o.times = append(o.times, t)
		}
	}
	for _, e := range o.events {
		kind := schemas.Kind(e.Kind)
		switch kind {
		case schemas.KindOrderCreated, schemas.KindOrderUpdated, schemas.KindOrderPaid, schemas.KindOrderCancelled:
		default:
			continue
		}
		if t := payloadTime(e.CreatedAt, e.Received); t > 0 {
			tell(t)
		} else if kind == schemas.KindOrderCreated {
			tell(e.Time)
		}
		if kind == schemas.KindOrderPaid {
			if t := payloadTime(e.PaidAt, e.Received); t > 0 {
				tell(t)
			} else {
				tell(e.Time)
			}
		}
		if e.Identity != 0 && !slices.Contains(o.owners, e.Visitor) {
			o.owners = append(o.owners, e.Visitor)
		}
		if len(o.times)*max(1, len(o.owners)) > maxNames {
			break
		}
	}
	o.big = len(o.events) > MaxPast || len(o.names) > maxNames || len(o.times)*max(1, len(o.owners)) > maxNames
}
