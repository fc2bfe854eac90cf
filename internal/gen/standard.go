package gen

import (
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Standard fills dst with n clickstream events of the two sizes measurements
// are stated for: nine of ten are flat views of 14 fields and about 315 bytes,
// the tenth is an add_to_cart with three items and about 800 bytes. Visitors,
// SKUs and times vary, the shape does not. The same arguments give the same bytes.
func Standard(seed uint64, n int, start time.Time) []Event {
	events := make([]Event, n)
	g := New(Settings{Seed: seed, Start: start})
	for i := range events {
		at := start.UnixMilli() + int64(i)
		d := dice(mix(seed ^ uint64(i/12)*0x9e3779b97f4a7c15)) // 12 events a visitor
		p := profile{visitor: d.next()}
		p.region = uint8(1 + d.next()%34)
		if i%10 == 9 {
			events[i] = g.standardCart(i, &p, at)
		} else {
			events[i] = g.standardView(i, &p, at)
		}
	}
	return events
}

// Standard315 is Standard without the large tenth.
func Standard315(seed uint64, n int, start time.Time) []Event {
	events := make([]Event, n)
	g := New(Settings{Seed: seed, Start: start})
	for i := range events {
		d := dice(mix(seed ^ uint64(i/12)*0x9e3779b97f4a7c15))
		p := profile{visitor: d.next()}
		p.region = uint8(1 + d.next()%34)
		events[i] = g.standardView(i, &p, start.UnixMilli()+int64(i))
	}
	return events
}

func (g *Generator) standardHead(i int, kind schemas.Kind, p *profile, at int64) []byte {
	b := append(make([]byte, 0, 320), `{"id":"`...)
	b = appendHex(b, g.run>>32, 8)
	b = append(b, '-')
	b = appendHex(b, uint64(i), 10)
	b = append(b, `","source":"/t/web","type":"`...)
	b = append(b, kind.String()...)
	b = append(b, `","time":"`...)
	b = append(g.date.append(b, at), `Z","anonymous_id":"`...)
	b = p.appendAnonymous(b)
	b = append(b, `","client_session_id":"`...)
	b = appendHex(b, p.visitor, 8)
	b = append(b, `","platform":"h5","region":"`...)
	return append(append(b, schemas.RegionNames[p.region]...), '"')
}

func (g *Generator) standardView(i int, p *profile, at int64) Event {
	b := g.standardHead(i, schemas.KindPageView, p, at)
	b = append(b, `,"page_type":"product_detail","page_url":"/p/`...)
	b = append(b, g.shop.skus[g.shop.pick(g.rng)].id...)
	b = append(b, `","utm_source":"baidu","utm_medium":"cpc","consent":"granted","sequence":`...)
	b = append(appendInt(b, int64(i%12)), '}')
	return Event{Topic: schemas.Clickstream, Key: p.appendAnonymous(nil), Value: b, Time: time.UnixMilli(at).UTC()}
}

func (g *Generator) standardCart(i int, p *profile, at int64) Event {
	b := g.standardHead(i, schemas.KindAddToCart, p, at)
	lines := []line{{g.shop.pick(g.rng), 1}, {g.shop.pick(g.rng), 2}, {g.shop.pick(g.rng), 1}}
	b = g.appendItems(b, lines, true)
	b = field(b, "currency", "CNY")
	b = append(money(b, "value", g.value(lines)), '}')
	return Event{Topic: schemas.Clickstream, Key: p.appendAnonymous(nil), Value: b, Time: time.UnixMilli(at).UTC()}
}
