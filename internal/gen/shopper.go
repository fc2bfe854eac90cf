package gen

import "github.com/storepulse/storepulse/schemas"

// visit is what every event of a visit carries.
type visit struct {
	profile
	session  uint64
	loggedIn uint64 // user now, 0 = anonymous
	sequence uint64
	bot      bool
	test     bool

	wrongClock bool
	channel    schemas.Channel // of the landing
}

// shopper is one visit on its way through the shop.
type shopper struct {
	visit
	number  uint64 // of the visitor
	step    step
	left    uint8 // browsing steps before patience ends
	buyNow  bool
	looking int32 // SKU on the page
	cart    cart
}

type step uint8

const (
	stepLand step = iota
	stepBrowse
	stepItem
	stepCart
	stepCheckout
	stepSubmit
)

// line is one product in a cart or an order.
type line struct {
	sku      int32
	quantity int32
}

type cart struct {
	lines [8]line
	n     uint8
}

func (c *cart) add(l line) bool {
	for i := range c.lines[:c.n] {
		if c.lines[i].sku == l.sku {
			c.lines[i].quantity += l.quantity
			return true
		}
	}
	if int(c.n) == len(c.lines) {
		return false
	}
	c.lines[c.n] = l
	c.n++
	return true
}

func (c *cart) removeLast() line {
	c.n--
	return c.lines[c.n]
}

func (c *cart) items() []line { return c.lines[:c.n] }

// beginVisit lets a new or a returning visitor in.
func (g *Generator) beginVisit() {
	number := g.visitors
	if g.visitors > 0 && g.chance(0.42) {
		// Those who came lately are likelier to come back.
		number = g.visitors - 1 - uint64(g.rng.Float64()*g.rng.Float64()*float64(g.visitors))
	}
	if _, busy := g.active[number]; busy {
		number = g.visitors
	}
	if number == g.visitors {
		g.visitors++
	}
	g.visits++
	g.stats.Visits++
	g.active[number] = struct{}{}

	slot := g.shoppers.take()
	s := g.shoppers.at(slot)
	*s = shopper{visit: visit{profile: g.profileOf(number), session: mix(g.run ^ g.visits)}, number: number}
	s.left = uint8(min(2+g.rng.ExpFloat64()*5, 60))
	s.bot = (s.platform == schemas.PlatformWebPC || s.platform == schemas.PlatformH5) && g.chance(g.defects.Bots)
	s.test = g.chance(g.defects.Test)
	if s.account && g.chance(0.5) {
		s.loggedIn = s.user
		if s.housemate != 0 && g.chance(0.4) {
			s.loggedIn = s.housemate
		}
	}
	if p := g.defects.Skewed; p > 0 && g.chance(p) {
		g.skewClock(&s.visit)
	}
	g.wake(actorShopper, slot, g.now)
}

// stepShopper lets a visitor do the next thing and decides what follows.
func (g *Generator) stepShopper(slot int32) {
	s := g.shoppers.at(slot)
	leave := false
	switch s.step {
	case stepLand:
		leave = g.land(s)
	case stepBrowse:
		leave = g.browse(s)
	case stepItem:
		g.decideOnItem(s)
	case stepCart:
		leave = g.lookAtCart(s)
	case stepCheckout:
		leave = g.checkOut(s)
	case stepSubmit:
		g.submit(s)
		leave = true
	}
	if leave {
		delete(g.active, s.number)
		g.shoppers.free(slot)
		return
	}
	// Most pages hold a visitor for seconds, few for minutes. One visit in many
	// is left lying for longer than half an hour and becomes two sessions.
	pause := g.between(3000, 60_000)
	switch {
	case s.bot:
		pause = g.between(300, 1500)
	case g.chance(0.002):
		pause = g.between(31*60_000, 4*3600_000)
	}
	g.wake(actorShopper, slot, g.now+pause)
}

func (g *Generator) land(s *shopper) bool {
	t := g.pickTouch(s.platform)
	s.channel = t.channel
	product := t.landing == "product_detail"
	if product {
		s.looking = g.shop.pick(g.rng)
	}
	if g.pageView(&s.visit, t.landing, t, g.now) {
		return true
	}
	s.step = stepBrowse
	if product {
		g.viewItem(&s.visit, s.looking, g.now+30)
		s.step = stepItem
	}
	return !s.bot && g.chance(0.36)
}

func (g *Generator) browse(s *shopper) bool {
	if s.left == 0 {
		return true
	}
	s.left--
	switch x := g.rng.Float64(); {
	case x < 0.18:
		if g.pageView(&s.visit, "search", nil, g.now) {
			return true
		}
		g.search(&s.visit, g.now+40)
	case x < 0.36:
		page := []string{"category", "category", "promotion", "content", "home", "account", "live", "order_list"}[g.rng.IntN(8)]
		if g.pageView(&s.visit, page, nil, g.now) {
			return true
		}
	case x < 0.41 && s.cart.n > 0:
		s.step = stepCart
		return false
	default:
		s.looking = g.shop.pick(g.rng)
		if g.pageView(&s.visit, "product_detail", nil, g.now) {
			return true
		}
		g.viewItem(&s.visit, s.looking, g.now+30)
		s.step = stepItem
		return false
	}
	// Somebody else of the household takes the device over.
	if s.housemate != 0 && s.loggedIn != 0 && g.chance(0.05) {
		s.loggedIn = s.user ^ s.housemate ^ s.loggedIn
		g.login(&s.visit, g.now+2000)
	}
	return false
}

func (g *Generator) decideOnItem(s *shopper) {
	s.step = stepBrowse
	if s.bot {
		return
	}
	switch x := g.rng.Float64() / s.eager; {
	case x < 0.068 && g.outOfStock(s.looking):
	case x < 0.062:
		l := line{s.looking, 1}
		if g.chance(0.15) {
			l.quantity = 2 + int32(g.rng.IntN(3))
		}
		if !s.cart.add(l) {
			return
		}
		g.cartChange(&s.visit, schemas.KindAddToCart, l, g.now)
		if g.chance(0.45) {
			s.step = stepCart
		}
	case x < 0.068:
		s.cart.n = 0
		s.cart.add(line{s.looking, 1})
		s.buyNow = true
		s.step = stepCheckout
	}
}

func (g *Generator) lookAtCart(s *shopper) bool {
	if g.pageView(&s.visit, "cart", nil, g.now) {
		return true
	}
	g.viewCart(&s.visit, &s.cart, g.now+30)
	if g.chance(0.12) {
		g.cartChange(&s.visit, schemas.KindRemoveFromCart, s.cart.removeLast(), g.now+4000)
	}
	if s.cart.n == 0 {
		s.step = stepBrowse
		return false
	}
	switch x := g.rng.Float64(); {
	case x < 0.52:
		s.step = stepCheckout
		return false
	case x < 0.80:
		s.step = stepBrowse
		return false
	}
	return true
}

func (g *Generator) checkOut(s *shopper) bool {
	at := g.now
	if s.loggedIn == 0 && g.chance(0.8) {
		s.loggedIn = s.user
		g.login(&s.visit, at)
		at += 1500
	}
	if g.pageView(&s.visit, "checkout", nil, at) {
		return true
	}
	g.beginCheckout(&s.visit, &s.cart, s.buyNow, at+30)
	s.step = stepSubmit
	return !g.chance(0.78)
}

// submit places the order: the client says so, and the order system.
func (g *Generator) submit(s *shopper) {
	slot := g.open.take()
	o := g.open.at(slot)
	g.orders++
	*o = order{
		visit: s.visit, number: g.orders, cart: s.cart, created: g.now,
	}
	g.price(o)
	g.orderSubmit(&o.visit, o, g.now)
	g.orderCreated(o, g.now+120)
	if p := g.defects.Amended; p > 0 && g.chance(p) {
		g.orderUpdated(o, g.now+2000)
	}
	if g.pageView(&o.visit, "payment", nil, g.now+900) {
		g.unpaid(slot)
		return
	}
	g.planPayment(slot)
}
