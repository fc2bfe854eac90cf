package gen

import "github.com/storepulse/storepulse/schemas"

var searchWords = []string{"风衣", "连衣裙", "running shoes", "乌龙茶", "纸尿裤", "earbuds", "保温杯", "lipstick", "露营", "绘本"}

// pageView says whether the visitor was gone before the page was there.
func (g *Generator) pageView(v *visit, pageType string, t *touch, at int64) (gone bool) {
	slot, r := g.click(v, schemas.KindPageView, at)
	b := field(r.value, "page_type", pageType)
	b = append(b, `,"page_url":"https://shop.example/`...)
	b = append(append(b, pageType...), '"')
	if t != nil {
		b = append(b, t.fields...)
	}
	r.value = b
	g.close(slot)
	return g.gaveUp(v, pageType, at)
}

func (g *Generator) viewItem(v *visit, sku int32, at int64) {
	slot, r := g.click(v, schemas.KindViewItem, at)
	r.value = field(r.value, "page_type", "product_detail")
	lines := [1]line{{sku, 1}}
	g.basket(r, v, lines[:])
	g.close(slot)
}

func (g *Generator) search(v *visit, at int64) {
	slot, r := g.click(v, schemas.KindSearch, at)
	b := field(r.value, "page_type", "search")
	b = field(b, "query", searchWords[g.rng.IntN(len(searchWords))])
	results := int64(0)
	if !g.chance(0.06) {
		results = g.between(1, 2000)
	}
	r.value = appendInt(append(b, `,"result_count":`...), results)
	g.close(slot)
}

func (g *Generator) login(v *visit, at int64) {
	slot, _ := g.click(v, schemas.KindLogin, at)
	g.close(slot)
}

// cartChange is add_to_cart or remove_from_cart.
func (g *Generator) cartChange(v *visit, kind schemas.Kind, l line, at int64) {
	slot, r := g.click(v, kind, at)
	lines := [1]line{l}
	g.basket(r, v, lines[:])
	g.close(slot)
}

func (g *Generator) viewCart(v *visit, c *cart, at int64) {
	slot, r := g.click(v, schemas.KindViewCart, at)
	r.value = field(r.value, "page_type", "cart")
	g.basket(r, v, c.items())
	g.close(slot)
}

func (g *Generator) beginCheckout(v *visit, c *cart, buyNow bool, at int64) {
	slot, r := g.click(v, schemas.KindBeginCheckout, at)
	r.value = field(r.value, "page_type", "checkout")
	if buyNow {
		r.value = append(r.value, `,"buy_now":true`...)
	}
	g.basket(r, v, c.items())
	g.close(slot)
}

func (g *Generator) orderSubmit(v *visit, o *order, at int64) {
	slot, r := g.click(v, schemas.KindOrderSubmit, at)
	g.orderReference(r, o)
	g.close(slot)
}

func (g *Generator) purchase(v *visit, o *order, at int64) {
	slot, r := g.click(v, schemas.KindPurchase, at)
	g.orderReference(r, o)
	g.basket(r, v, o.cart.items())
	g.close(slot)
}

func (g *Generator) orderReference(r *record, o *order) {
	b := append(r.value, `,"order_id":"`...)
	r.value = append(g.appendOrderID(b, o), '"')
}
