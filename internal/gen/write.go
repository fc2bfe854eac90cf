package gen

import (
	"strconv"

	"github.com/storepulse/storepulse/schemas"
)

// Records are written by appending: a JSON library would cost more than the
// whole simulation. Every text is plain and known, so nothing needs escaping;
// the search words are UTF-8.

const hexDigits = "0123456789abcdef"

func appendHex(b []byte, x uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		b = append(b, hexDigits[x>>(4*i)&15])
	}
	return b
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

func field(b []byte, name, text string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':', '"')
	b = append(b, text...)
	return append(b, '"')
}

func money(b []byte, name string, minor int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':', '"')
	b = appendMoney(b, minor)
	return append(b, '"')
}

func (p *profile) appendAnonymous(b []byte) []byte { return appendHex(append(b, 'a'), p.visitor, 16) }

func appendUser(b []byte, user uint64) []byte { return appendHex(append(b, 'u'), user, 16) }

// appendOrderID writes the run and the order's number in it.
func (g *Generator) appendOrderID(b []byte, o *order) []byte {
	return appendHex(append(appendHex(append(b, 'O'), g.run>>32, 8), '-'), o.number, 7)
}

// envelope begins a record: everything docs/events.md, One event, asks for.
func (g *Generator) envelope(v *visit, source, prefix string, kind schemas.Kind, at int64, client bool) (int32, *record) {
	slot := g.records.take()
	r := g.records.at(slot)
	*r = record{key: v.appendAnonymous(r.key[:0]), value: r.value[:0], kind: kind, topic: kind.Topic(), test: v.test, at: at}
	g.travel(r)
	g.events++
	b := append(r.value, `{"id":"`...)
	b = appendHex(b, g.run>>32, 8)
	b = append(b, '-')
	b = appendHex(b, g.events, 10)
	b = append(b, `","source":"`...)
	b = append(b, source...)
	b = append(b, `","type":"`...)
	b = append(b, prefix...)
	b = append(b, kind.String()...)
	if prefix != "" {
		b = append(b, ".v1"...)
	}
	b = append(b, `","time":"`...)
	skew := int64(0)
	if client {
		skew = v.skew
		r.skewed = v.wrongClock && !v.sendsTimes
	}
	r.timeFrom = int32(len(b))
	if client && v.platform == schemas.PlatformMiniProgram { // these write local time
		b = append(g.local.append(b, at+skew+8*3600_000), "+08:00"...)
	} else {
		b = append(g.date.append(b, at+skew), 'Z')
	}
	b = append(b, '"')
	if client && v.sendsTimes {
		sent := r.arrives - 25
		b = append(b, `,"senttime":"`...)
		b = append(g.date.append(b, sent+skew), 'Z', '"')
		b = append(b, `,"receivedtime":"`...)
		b = append(g.date.append(b, r.arrives), 'Z', '"')
	}
	b = append(b, `,"partitionkey":"`...)
	b = v.appendAnonymous(b)
	b = append(b, '"')
	if g.set.TenantID != "" {
		b = field(b, "tenantid", g.set.TenantID)
	}
	r.value = b
	return slot, r
}

// click begins a clickstream record with the fields of docs/events.md, Clickstream events.
func (g *Generator) click(v *visit, kind schemas.Kind, at int64) (int32, *record) {
	prefix := ""
	if v.sendsTimes {
		prefix = "ecom.click."
	}
	slot, r := g.envelope(v, v.source(), prefix, kind, at, true)
	// Rendered and drawn for all the same: the shop goes on as if nobody had noticed.
	r.lost = g.meets(TrackingLoss, at, Slice{Platform: schemas.PlatformNames[v.platform], Channel: schemas.ChannelNames[v.channel]})
	v.sequence++
	b := append(r.value, `,"sequence":`...)
	b = appendInt(b, int64(v.sequence))
	b = append(b, `,"anonymous_id":"`...)
	b = v.appendAnonymous(b)
	if v.loggedIn != 0 {
		b = append(b, `","user_id":"`...)
		b = appendUser(b, v.loggedIn)
	}
	b = append(b, `","client_session_id":"`...)
	b = appendHex(b, v.session, 12)
	b = append(b, `","platform":"`...)
	b = append(b, schemas.PlatformNames[v.platform]...)
	b = append(b, `","region":"`...)
	b = append(b, schemas.RegionNames[v.region]...)
	b = append(b, '"')
	switch {
	case v.bot:
		b = field(b, "user_agent", botAgent)
	case kind == schemas.KindPageView:
		if a := v.agentText(); a != "" {
			b = field(b, "user_agent", a)
		}
	}
	if v.sendsTimes {
		b = append(b, `,"app_version":"9.4.1","consent":"granted"`...)
	}
	if v.test {
		b = append(b, `,"is_test":true`...)
	}
	r.value = b
	return slot, r
}

func (g *Generator) appendItems(b []byte, lines []line, numbers bool) []byte {
	b = append(b, `,"items":[`...)
	for i, l := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if numbers {
			b = append(b, g.shop.skus[l.sku].number...)
		} else {
			b = append(b, g.shop.skus[l.sku].fragment...)
		}
		b = append(b, `,"quantity":`...)
		b = append(appendInt(b, int64(l.quantity)), '}')
	}
	return append(b, ']')
}

func (g *Generator) value(lines []line) int64 {
	sum := int64(0)
	for _, l := range lines {
		sum += g.shop.skus[l.sku].price * int64(l.quantity)
	}
	return sum
}

// basket adds items, currency and value to a client record.
func (g *Generator) basket(r *record, v *visit, lines []line) {
	// Browsers send money as JSON numbers, everything else as decimal strings.
	numbers := v.platform == schemas.PlatformWebPC || v.platform == schemas.PlatformH5
	b := g.appendItems(r.value, lines, numbers)
	b = field(b, "currency", g.set.Currency)
	if numbers {
		b = append(b, `,"value":`...)
		b = appendMoney(b, g.value(lines))
	} else {
		b = money(b, "value", g.value(lines))
	}
	r.value = b
}

// close ends the JSON object and sends the record on its way.
func (g *Generator) close(slot int32) {
	r := g.records.at(slot)
	r.value = append(r.value, '}')
	g.send(slot)
}
