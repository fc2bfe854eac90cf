package gen

import (
	"fmt"
	"time"
)

// news is what has been said of an incident.
type news uint8

const (
	newsNone news = iota
	newsBegun
	newsEnded
)

// effects name what Stats.Incidents counts, by kind.
var effects = [...]string{"payments failed", "pages slow", "client events lost", "products kept out of carts"}

// News says which incidents have begun or ended by a moment of the shop's time,
// each once.
func (g *Generator) News(now time.Time) (lines []string) {
	for i := range g.set.Incidents {
		in := &g.set.Incidents[i]
		from, to := g.set.Start.Add(in.From), g.set.Start.Add(in.To)
		if g.news[i] == newsNone && !now.Before(from) {
			g.news[i] = newsBegun
			lines = append(lines, fmt.Sprintf("incident begins, %s to %s of the shop's time: %s", from.Format(time.RFC3339), to.Format(time.RFC3339), in))
		}
		if g.news[i] == newsBegun && !now.Before(to) {
			g.news[i] = newsEnded
			lines = append(lines, fmt.Sprintf("incident ended: %s; %s", in, g.effect(i)))
		}
	}
	return lines
}

// Unfinished says which incidents had begun and not ended by the last News.
func (g *Generator) Unfinished() (lines []string) {
	for i, n := range g.news {
		if n == newsBegun {
			lines = append(lines, fmt.Sprintf("incident goes on where the stream stops: %s; %s", g.set.Incidents[i], g.effect(i)))
		}
	}
	return lines
}

func (g *Generator) effect(i int) string {
	return fmt.Sprintf("%d %s", g.stats.Incidents[i], effects[g.set.Incidents[i].Kind])
}
