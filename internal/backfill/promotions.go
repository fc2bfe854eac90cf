package backfill

import (
	"github.com/storepulse/storepulse/dashboards/rules"
	"github.com/storepulse/storepulse/schemas"
)

// promoLine is the series of a kind of promotion in one shop. It comes from the
// configuration, not from facts.
type promoLine struct {
	windowLine
	times []span
}

// span is from its begin until its end, which is not part of it; Unix ms.
type span struct{ from, until int64 }

// promotions makes the series of those that touch the range.
func (r *run) promotions(from, until int64) {
	for tenant, name := range r.opt.Tenants {
		for _, kind := range schemas.PromotionKindNames {
			var times []span
			for i := range r.opt.Promotions {
				p := &r.opt.Promotions[i]
				s := span{p.From.UnixMilli(), p.Until.UnixMilli()}
				if p.Concerns(name, kind) && s.from <= until && s.until > from-Grid.Milliseconds() {
					times = append(times, s)
				}
			}
			if len(times) > 0 {
				r.promos = append(r.promos, promoLine{r.window(rules.Window{Record: rules.RunningPromotions}, tenant, map[string]string{"kind": kind}), times})
			}
		}
	}
}

// writePromotions says 1 where a promotion ran since the sample before: a window
// that it touched at all is no usual one.
func (r *run) writePromotions(p *promoLine, begin, last int64) error {
	for at := begin; at <= last; at += Grid.Milliseconds() {
		for _, s := range p.times {
			if s.from <= at && s.until > at-Grid.Milliseconds() {
				if err := r.sample(&p.windowLine, 1, at); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}
