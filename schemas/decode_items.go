package schemas

// line is one item with its numbers read.
type line struct {
	quantity                     uint32
	price, list, discount, total int64
}

// readItems reads the numbers of every item into d.lines and gives the sum of
// their quantities. Amounts of items without a currency are checked with three
// decimals at most.
func (d *Decoder) readItems() (units uint32) {
	d.lines = d.lines[:0]
	if d.itemCount == 0 {
		return 0
	}
	if d.itemCount > maxItems {
		d.note(ReasonTooManyItems, "items", "has ", d.num(uint64(d.itemCount)), " items; want at most ", d.num(uint64(maxItems)))
		return 0
	}
	exponent := uint8(3)
	if d.currency != 0 {
		exponent = CurrencyExponent(d.currency)
	}
	for n := range d.itemCount {
		it := &d.items[n]
		if id := &it[iID]; id.shape != isString || len(id.b) == 0 {
			d.note(ReasonMissingRequired, d.itemPath(n, "item_id"), "is required on every item")
		}
		l := line{quantity: 1}
		if q := &it[iQuantity]; q.shape == isNumber {
			v, bad := parseDecimal(q.b, 0)
			if bad != faultNone || v < 1 || v > 100_000 {
				d.note(ReasonBadValue, d.itemPath(n, "quantity"), brief(q.b), "; want a whole number from 1 to 100000")
			}
			l.quantity = uint32(v)
		}
		l.price = d.itemMoney(it, n, iPrice, exponent)
		l.list = d.itemMoney(it, n, iList, exponent)
		l.discount = d.itemMoney(it, n, iDiscount, exponent)
		if d.reason != ReasonNone {
			return 0
		}
		l.total = l.price * int64(l.quantity)
		units += l.quantity
		d.lines = append(d.lines, l)
	}
	return units
}

func (d *Decoder) itemMoney(it *item, n int, f itemField, exponent uint8) int64 {
	v, m := &it[f], &it[f+1]
	if v.shape == absent && m.shape == absent {
		return 0
	}
	return d.amount(v, m, itemSpecs[f].name, n, exponent)
}

// stored copies a part of the record as it may be kept: without whitespace
// between tokens and without hidden values.
func (d *Decoder) stored(dst []byte, part span) []byte {
	if !d.spaced {
		if len(d.hidden) == 0 {
			return append(dst, d.b[part.from:part.to]...)
		}
		return blank(dst, d.b, part, d.hidden)
	}
	h := 0
	for i := part.from; i < part.to; {
		for h < len(d.hidden) && d.hidden[h].from < i {
			h++
		}
		if h < len(d.hidden) && d.hidden[h].from == i {
			dst = append(dst, "null"...)
			i = d.hidden[h].to
			continue
		}
		switch c := d.b[i]; c {
		case ' ', '\n', '\r', '\t':
			i++
		case '"':
			end, _ := d.quoted(i + 1)
			dst = append(dst, d.b[i:end+1]...)
			i = end + 1
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// storedExtra gathers the unknown fields as one JSON object, nothing if there
// are none. It is valid until scratch is used again.
func (d *Decoder) storedExtra() []byte {
	if len(d.extra) == 0 {
		return nil
	}
	d.scratch = append(d.scratch[:0], '{')
	for i, part := range d.extra {
		if i > 0 {
			d.scratch = append(d.scratch, ',')
		}
		d.scratch = d.stored(d.scratch, part)
	}
	d.scratch = append(d.scratch, '}')
	return d.scratch
}
