package gen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// IncidentKind is what goes wrong in the shop.
type IncidentKind uint8

const (
	// PaymentOutage: payment attempts fail hard, nothing is paid. Buyers try
	// again, up to four times, and give up.
	PaymentOutage IncidentKind = iota
	// SlowPages: every second visitor does not wait for a slow page and leaves.
	// Events carry no load times, so bounces and exits are all there is to see.
	SlowPages
	// TrackingLoss: client events are not sent. The shop goes on, and so do the
	// events of the order system.
	TrackingLoss
	// StockOut: products are shown and cannot be put into the cart.
	StockOut
)

// IncidentNames are the kinds as one types them.
var IncidentNames = [...]string{"payment_outage", "slow_pages", "tracking_loss", "stock_out"}

// Incident changes the shop's behaviour from From to To in the part of the shop
// that Slice tells.
type Incident struct {
	Kind     IncidentKind
	From, To time.Duration // since Start
	Slice
}

// Slice is a part of the shop. An empty field means all.
type Slice struct {
	Platform, Channel, PageType, PaymentMethod, Category, Product string
}

// slicer is one field of a slice.
type slicer struct {
	name  string
	value *string
	kinds []IncidentKind // which it makes sense for
	known []string       // nil: a product
}

func (s *Slice) slicers() []slicer {
	return []slicer{
		{"platform", &s.Platform, []IncidentKind{PaymentOutage, SlowPages, TrackingLoss}, platformsOfShop()},
		{"channel", &s.Channel, []IncidentKind{SlowPages, TrackingLoss}, channelsOfShop()},
		{"page_type", &s.PageType, []IncidentKind{SlowPages}, schemas.PageTypeNames[1 : len(schemas.PageTypeNames)-1]},
		{"payment_method", &s.PaymentMethod, []IncidentKind{PaymentOutage}, schemas.PaymentMethodNames[1:]},
		{"category", &s.Category, []IncidentKind{StockOut}, Categories()},
		{"product", &s.Product, []IncidentKind{StockOut}, nil},
	}
}

func platformsOfShop() (names []string) {
	for _, p := range platformShares {
		names = append(names, schemas.PlatformNames[p.platform])
	}
	return names
}

func channelsOfShop() (names []string) {
	for _, t := range touches {
		names = append(names, schemas.ChannelNames[t.channel])
	}
	return names
}

// String is what ParseIncident reads, without the times.
func (in Incident) String() string {
	parts := []string{IncidentNames[in.Kind]}
	for _, s := range in.slicers() {
		if *s.value != "" {
			parts = append(parts, s.name+"="+*s.value)
		}
	}
	return strings.Join(parts, ",")
}

// validateSlice names the slices that mean nothing for the kind, and values that
// the shop does not have.
func (in *Incident) validateSlice() (errs []error) {
	for _, s := range in.slicers() {
		switch {
		case *s.value == "":
		case !slices.Contains(s.kinds, in.Kind):
			errs = append(errs, fmt.Errorf("%s: means nothing for %s, which takes %s", s.name, IncidentNames[in.Kind], slicersOf(in.Kind, 0)))
		case s.known != nil && !slices.Contains(s.known, *s.value):
			errs = append(errs, fmt.Errorf("%s: must be one of %s (got %q)", s.name, strings.Join(s.known, ", "), *s.value))
		}
	}
	return errs
}

// validate names every fault of an incident in a shop of so many products.
func (in *Incident) validate(skus int) (errs []error) {
	if int(in.Kind) >= len(IncidentNames) {
		return []error{fmt.Errorf("kind: must be below %d (got %d)", len(IncidentNames), in.Kind)}
	}
	if in.From < 0 || in.To <= in.From {
		errs = append(errs, fmt.Errorf("to (%s) must be after from (%s), and from not negative", in.To, in.From))
	}
	errs = append(errs, in.validateSlice()...)
	if in.Product == "" {
		return errs
	}
	digits, ok := strings.CutPrefix(in.Product, "S")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || n > skus || skuID(n) != in.Product {
		errs = append(errs, fmt.Errorf("product: must be from %s to %s (got %q)", skuID(1), skuID(skus), in.Product))
	}
	return errs
}

// meets says whether an incident of the kind holds then and there, and counts
// it. Nothing is drawn here: a stream without incidents stays what it was.
func (g *Generator) meets(kind IncidentKind, at int64, there Slice) bool {
	met := false
	since := time.Duration(at-g.set.Start.UnixMilli()) * time.Millisecond
	for i := range g.set.Incidents {
		in := &g.set.Incidents[i]
		if in.Kind == kind && since >= in.From && since < in.To && in.has(there) {
			g.stats.Incidents[i]++
			met = true
		}
	}
	return met
}

func (s *Slice) has(there Slice) bool {
	in := func(want, got string) bool { return want == "" || want == got }
	return in(s.Platform, there.Platform) && in(s.Channel, there.Channel) && in(s.PageType, there.PageType) &&
		in(s.PaymentMethod, there.PaymentMethod) && in(s.Category, there.Category) && in(s.Product, there.Product)
}

// outOfStock says whether the product cannot be bought now.
func (g *Generator) outOfStock(sku int32) bool {
	s := &g.shop.skus[sku]
	return g.meets(StockOut, g.now, Slice{Category: categories[s.category].name, Product: s.id})
}

// impatience is how many visitors do not wait for a slow page.
const impatience = 0.5

// gaveUp says whether the visitor left before the page was there.
func (g *Generator) gaveUp(v *visit, pageType string, at int64) bool {
	slow := g.meets(SlowPages, at, Slice{Platform: schemas.PlatformNames[v.platform], Channel: schemas.ChannelNames[v.channel], PageType: pageType})
	return slow && !v.bot && g.chance(impatience)
}
