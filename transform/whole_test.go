package transform

import (
	"errors"
	"fmt"
)

// whole verifies between epochs that everything in state is found from where
// it is named and names only what is there: a number of a pool that outlives
// its value stands for a stranger as soon as the pool gives it out again.
func (s *State) whole() error {
	c := checker{s: s}
	c.index()
	c.everyVisitor()
	c.everyOrder()
	c.gauges()
	c.pools()
	return errors.Join(c.faults...)
}

type checker struct {
	s                              *State
	faults                         []error
	more, users, sessions, kept    []uint32 // in use
	owned, hinted, visitors, bound int
}

func (c *checker) want(ok bool, format string, args ...any) {
	if !ok {
		c.faults = append(c.faults, fmt.Errorf(format, args...))
	}
}

func (c *checker) index() {
	for i := range c.s.everyVisitor {
		c.visitors++
		v := c.s.visitors.at(i)
		c.want(c.s.find(&v.id) == i, "visitor %d is not found by its id", i)
	}
	c.want(c.visitors == c.s.index.n, "%d visitors, %d in the index", c.visitors, c.s.index.n)
	for hash, i := range c.s.orderIndex {
		c.want(c.s.orders.at(i).hash == hash, "order %d is listed under another's id", i)
	}
	c.want(len(c.s.touched)+len(c.s.pending) == 0, "%d visitors are still touched, %d orders uncounted", len(c.s.touched), len(c.s.pending))
}

func (c *checker) everyVisitor() {
	s := c.s
	for i := range s.everyVisitor {
		v := s.visitors.at(i)
		x := s.extra(v)
		c.want(v.mark == 0, "visitor %d is still marked", i)
		c.want(v.n > 0 || v.sessions != 0 || x.orders != 0 || x.hints != 0, "visitor %d has nothing", i)
		if v.more != 0 {
			c.more = append(c.more, v.more)
		}
		if x.moreUsers != 0 {
			c.users = append(c.users, x.moreUsers)
		}
		for n, e := range s.events(v) {
			c.want(e.user() <= x.users, "event %d of visitor %d has an unknown user", n, i)
			c.want(s.sessionAt(v, v.base()+int64(e.at), e.key) != 0, "event %d of visitor %d is in no session", n, i)
		}
		for k := x.orders; k != 0; k = s.orders.at(k).nextOrder {
			c.owned++
			c.want(s.orders.at(k).visitorRef == i, "visitor %d lists order %d of visitor %d", i, k, s.orders.at(k).visitorRef)
		}
		for k := x.hints; k != 0; k = s.orders.at(k).nextHint {
			c.hinted++
			c.want(s.orders.at(k).hintRef == i, "visitor %d lists order %d that visitor %d names", i, k, s.orders.at(k).hintRef)
		}
		c.sessionsOf(i, v)
	}
}

func (c *checker) sessionsOf(i uint32, v *visitor) {
	s := c.s
	var last *session
	for k := v.sessions; k != 0; k = s.sessions.at(k).next {
		r := s.sessions.at(k)
		c.sessions = append(c.sessions, k)
		if r.kept != 0 {
			c.kept = append(c.kept, r.kept)
		}
		c.want((r.kept != 0) == (r.flags&(archived|frozen) != 0), "session %d of visitor %d: flags %b, row %d", k, i, r.flags, r.kept)
		c.want(last == nil || last.start < r.start || last.start == r.start && last.key < r.key, "sessions of visitor %d are out of order", i)
		last = r
		if r.flags&archived == 0 {
			continue
		}
		c.bound++
		n := 0
		for _, o := range s.orderIndex {
			if o := s.orders.at(o); o.link == i && o.linkStart == r.start && o.linkKey == r.key {
				n++
			}
		}
		c.want(n > 0, "archived session %d of visitor %d has no order", k, i)
	}
}

func (c *checker) everyOrder() {
	s := c.s
	owned, hinted := 0, 0
	for _, i := range s.orderIndex {
		o := s.orders.at(i)
		c.want(o.flags&uncounted == 0, "order %d is uncounted", i)
		if o.visitorRef != 0 {
			owned++
			c.want(s.find(&o.visitor) == o.visitorRef, "order %d stands with visitor %d, who is not its owner", i, o.visitorRef)
		}
		if o.hintRef != 0 {
			hinted++
			c.want(c.known(o.hintRef), "order %d is named by visitor %d, who has left", i, o.hintRef)
			if o.flags&linkFrozen == 0 && c.known(o.hintRef) {
				c.want(s.sessionAt(s.visitors.at(o.hintRef), o.hintTime, o.hintKey) != 0, "order %d is named in a session that has left", i)
			}
		}
		if o.link == 0 {
			c.want(o.flags&linkFrozen == 0 && o.linkStart == 0 && o.linkKey == 0 && o.how == byNone, "order %d has no link, but remembers one", i)
			c.want(o.bucket != unqueued, "order %d is never due", i)
			continue
		}
		c.want(o.link == o.visitorRef || o.link == o.hintRef, "order %d is linked to visitor %d, who does not list it", i, o.link)
		if !c.known(o.link) {
			c.want(false, "order %d is linked to visitor %d, who has left", i, o.link)
			continue
		}
		r := s.sessionOfLink(o)
		c.want(r != nil, "order %d is linked to a session that is not there", i)
		c.want(r == nil || (r.flags&archived != 0) == (o.flags&linkFrozen != 0), "order %d and its session do not agree whether it has left", i)
		c.want(o.bucket != unqueued || s.leaves(o) < s.watermark, "order %d is never due", i)
	}
	c.want(owned == c.owned && hinted == c.hinted, "%d orders of visitors, %d listed; %d named, %d listed", owned, c.owned, hinted, c.hinted)
}

func (c *checker) known(visitor uint32) bool {
	return c.s.find(&c.s.visitors.at(visitor).id) == visitor
}

// sessionAt gives the session in state that the event lies in.
func (s *State) sessionAt(v *visitor, t int64, key uint64) (at uint32) {
	for k := v.sessions; k != 0; k = s.sessions.at(k).next {
		if r := s.sessions.at(k); r.flags&archived == 0 && (r.start < t || r.start == t && r.key <= key) && t <= r.end() {
			at = k
		}
	}
	return at
}

// gauges are sums over what is there.
func (c *checker) gauges() {
	got := make([]tenantGauges, len(c.s.gauges))
	for i := range c.s.everyVisitor {
		v, x := c.s.visitors.at(i), c.s.extra(c.s.visitors.at(i))
		g := &got[v.tenant]
		open, active := int64(v.open), int64(v.active)
		if v.open == spilled || v.active == spilled {
			open, active = int64(x.open), int64(x.active)
		}
		g.open, g.active = g.open+open, g.active+active
		if active > 0 {
			g.visitors[v.platform]++
		}
	}
	for _, i := range c.s.orderIndex {
		if o := c.s.orders.at(i); o.age > 0 {
			got[o.tenant].unpaid[o.age-1]++
		}
	}
	for tenant := range got {
		c.want(got[tenant] == c.s.gauges[tenant], "gauges of tenant %d: %+v, want %+v", tenant, c.s.gauges[tenant], got[tenant])
	}
}

// pools: every number is in use once or free once.
func (c *checker) pools() {
	s := c.s
	var visitors, orders []uint32
	for i := range s.everyVisitor {
		visitors = append(visitors, i)
	}
	for _, i := range s.orderIndex {
		orders = append(orders, i)
	}
	for _, p := range []struct {
		name        string
		inUse, free []uint32
		used        uint32
	}{
		{"visitors", visitors, s.visitors.free, s.visitors.used},
		{"extras", c.more, s.extras.free, s.extras.used},
		{"users", c.users, s.users.free, s.users.used},
		{"sessions", c.sessions, s.sessions.free, s.sessions.used},
		{"kept rows", c.kept, s.kept.free, s.kept.used},
		{"orders", orders, s.orders.free, s.orders.used},
	} {
		seen := make([]bool, max(1, p.used))
		seen[0] = true
		for _, list := range [][]uint32{p.inUse, p.free} {
			for _, i := range list {
				c.want(!seen[i], "%s: number %d is in use or free twice", p.name, i)
				seen[i] = true
			}
		}
		for i, ok := range seen {
			c.want(ok, "%s: number %d is neither in use nor free", p.name, i)
		}
	}
}
