package gen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
)

// sku is one sellable thing; fragment is its constant part as JSON.
type sku struct {
	id       string
	price    int64 // minor units
	list     int64
	category int
	fragment []byte // "item_id":"…",…,"price":"…" without braces and quantity
	number   []byte // the same with numbers instead of strings for money
}

type category struct {
	name   string
	second []string
	brands []string
	median float64 // price in major units
	share  float64
}

var categories = []category{
	{"apparel", []string{"dresses", "shirts", "outerwear", "shoes"}, []string{"Linnet", "Northwool", "Qipao&Co", "Tide"}, 169, 0.26},
	{"beauty", []string{"skincare", "makeup", "fragrance"}, []string{"Lotusdew", "Mira", "Halcyon"}, 129, 0.17},
	{"electronics", []string{"phones", "audio", "computers", "wearables"}, []string{"Voltek", "Aurum", "Pebbl"}, 899, 0.14},
	{"home", []string{"kitchen", "bedding", "storage", "decor"}, []string{"Hearthside", "Muji-like", "Ori"}, 89, 0.14},
	{"food", []string{"snacks", "tea", "fresh", "grain"}, []string{"Oolong House", "Nutty", "Farmgate"}, 45, 0.12},
	{"baby", []string{"diapers", "toys", "clothing"}, []string{"Cubby", "Panpan"}, 119, 0.08},
	{"sports", []string{"fitness", "outdoor", "cycling"}, []string{"Peakline", "Runa"}, 199, 0.06},
	{"books", []string{"fiction", "children", "textbooks"}, []string{"Inkwell", "Redleaf"}, 39, 0.03},
}

// Categories are the first-level categories of the generated shop, for the
// configuration's closed list.
func Categories() []string {
	names := make([]string, len(categories))
	for i, c := range categories {
		names[i] = c.name
	}
	return names
}

// catalogue is the shop's range; popularity falls like 1/rank^0.9.
type catalogue struct {
	skus       []sku
	cumulative []float64
}

func newCatalogue(seed uint64, n int) *catalogue {
	rng := rand.New(rand.NewPCG(seed, 0x636174616c6f6775))
	c := &catalogue{}
	sum := 0.0
	for i := range n {
		ci, pick := 0, rng.Float64()
		for ci < len(categories)-1 && pick > categories[ci].share {
			pick -= categories[ci].share
			ci++
		}
		cat := &categories[ci]
		price := max(int64(cat.median*math.Exp(rng.NormFloat64()*0.6)*100)/100*100-10, 490)
		s := sku{id: skuID(i + 1), price: price, list: price, category: ci}
		if rng.Float64() < 0.4 {
			s.list = price * 125 / 100
		}
		brand, second := cat.brands[rng.IntN(len(cat.brands))], cat.second[rng.IntN(len(cat.second))]
		variant := []string{"S", "M", "L", "std"}[rng.IntN(4)]
		head := fmt.Sprintf(`"item_id":"%s","spu_id":"P%05d","item_name":"%s %s %d","item_brand":"%s","item_category":"%s","item_category2":"%s","item_variant":"%s"`,
			s.id, i/2+1, brand, second, i+1, brand, cat.name, second, variant)
		s.fragment = []byte(head + `,"price":"` + string(appendMoney(nil, s.price)) + `","list_price":"` + string(appendMoney(nil, s.list)) + `"`)
		s.number = []byte(head + `,"price":` + string(appendMoney(nil, s.price)))
		c.skus = append(c.skus, s)
		sum += math.Pow(float64(i+1), -0.9)
		c.cumulative = append(c.cumulative, sum)
	}
	return c
}

// skuID names the n-th product, from 1.
func skuID(n int) string { return fmt.Sprintf("S%05d", n) }

// pick draws a SKU by popularity.
func (c *catalogue) pick(rng *rand.Rand) int32 {
	x := rng.Float64() * c.cumulative[len(c.cumulative)-1]
	return int32(min(sort.SearchFloat64s(c.cumulative, x), len(c.skus)-1))
}

// appendMoney writes minor units of a two-digit currency as a decimal.
func appendMoney(b []byte, minor int64) []byte {
	b = appendInt(b, minor/100)
	return append(b, '.', byte('0'+minor/10%10), byte('0'+minor%10))
}
