package schemas

// Readers of single fields. Each notes what is wrong and goes on with zero: the
// caller looks at the reason once, before it appends.

// mustHave notes a field that is absent, null or empty. Amounts may stand in
// minor units instead.
func (d *Decoder) mustHave(f field) {
	v := &d.fields[f]
	switch {
	case v.shape == absent || v.shape == isNull:
		if fieldSpecs[f].shapes == shapeMoney {
			if m := &d.fields[f+1]; m.shape != absent && m.shape != isNull {
				return
			}
		}
		d.missing(f)
	case v.shape == isString && len(v.b) == 0:
		if fieldSpecs[f].shapes != shapeMoney {
			d.note(ReasonMissingRequired, fieldSpecs[f].name, "is empty")
		}
	case f == fItems && d.itemCount == 0:
		d.note(ReasonMissingRequired, "items", "is empty; want at least one item")
	}
}

func (d *Decoder) missing(f field) {
	kind := "every event"
	if f == fAnonymousID || f == fPlatform {
		kind = "every clickstream event"
	} else if f == fOrderVersion || f == fOrderID {
		kind = "every event of an order"
	}
	for _, r := range required[d.typ.kind] {
		if r == f {
			kind = KindNames[d.typ.kind]
		}
	}
	d.note(ReasonMissingRequired, fieldSpecs[f].name, "is required on ", kind)
}

// text is an optional string, nil if absent.
func (d *Decoder) text(f field) []byte {
	if v := &d.fields[f]; v.shape == isString {
		return v.b
	}
	return nil
}

func (d *Decoder) flag(f field) uint8 {
	if d.fields[f].shape == isTrue {
		return 1
	}
	return 0
}

// timeOf is an optional time, 0 if absent. A time that is stored as it is, or
// that others are reckoned from, must lie before the year given; without one
// there is no bound, the transform corrects that one.
func (d *Decoder) timeOf(f field, before string) int64 {
	v := &d.fields[f]
	if v.shape != isString || (len(v.b) == 0 && f != fTime) {
		return 0
	}
	ms, ok := parseTime(v.b)
	if !ok || (before != "" && view(v.b[:4]) >= before) {
		d.note(ReasonBadTime, fieldSpecs[f].name, `"`, brief(v.b), `" is no time we take; want RFC 3339 with an offset from the year 2015 to 2099, such as 2026-03-01T09:30:00.123+08:00`)
	}
	return ms
}

// whole is an optional whole number within bounds, 0 if absent.
func (d *Decoder) whole(f field, least, most uint64) uint64 {
	v := &d.fields[f]
	if v.shape != isNumber {
		return 0
	}
	n, bad := parseDecimal(v.b, 0)
	if bad != faultNone || n < least || n > most {
		d.note(ReasonBadValue, fieldSpecs[f].name, brief(v.b), "; want a whole number from ", d.num(least), " to ", d.num(most))
	}
	return n
}

// money is an optional amount in minor units, from the field or its _minor
// form. An amount without a currency has no size.
func (d *Decoder) money(f field) int64 {
	v, m := &d.fields[f], &d.fields[f+1]
	if (v.shape == absent || v.shape == isNull) && (m.shape == absent || m.shape == isNull) {
		return 0
	}
	if d.currency == 0 {
		d.note(ReasonMissingRequired, "currency", "is required because ", fieldSpecs[f].name, " is given")
		return 0
	}
	return d.amount(v, m, fieldSpecs[f].name, -1, CurrencyExponent(d.currency))
}

// amount reads a pair of amount and _minor amount; line is the item's number or -1.
func (d *Decoder) amount(v, minor *value, name string, line int, exponent uint8) int64 {
	if minor.shape == isNumber {
		if v.shape != absent && v.shape != isNull {
			d.badMoney(name, line, "is given together with its _minor form; want one of them")
			return 0
		}
		n, f := parseDecimal(minor.b, 0)
		if f != faultNone || n > uint64(maxMinor(exponent)) {
			d.badMinor(name, line, exponent, minor.b)
			return 0
		}
		return int64(n)
	}
	if v.shape != isNumber && v.shape != isString {
		return 0
	}
	f := faultSyntax
	n := int64(0)
	if v.shape == isNumber || isDecimalString(v.b) {
		n, f = parseMoney(v.b, exponent)
	}
	switch f {
	case faultSyntax:
		d.badMoney(name, line, `"`, brief(v.b), `" is not an amount; want digits such as 12.50`)
	case faultNegative:
		d.badMoney(name, line, brief(v.b), " is negative; want 0 or more")
	case faultInexact:
		d.badMoney(name, line, brief(v.b), " has too many decimals; want at most ", d.num(uint64(int(exponent))))
	case faultTooLarge:
		d.badMoney(name, line, brief(v.b), " is too large; want at most 9999999.99")
	}
	return n
}

func (d *Decoder) badMoney(name string, line int, detail ...string) {
	if line >= 0 {
		name = d.itemPath(line, name)
	}
	d.note(ReasonBadMoney, name, detail...)
}

func (d *Decoder) badMinor(name string, line int, exponent uint8, text []byte) {
	if line >= 0 {
		name = d.itemPath(line, name)
	}
	if d.reason == ReasonNone {
		d.note(ReasonBadMoney, name, brief(text), "; want a whole number of minor units from 0 to ", d.num(uint64(maxMinor(exponent))))
		d.field = append(d.field, "_minor"...)
	}
}

// choice finds a closed list's value: 0 if absent, other for a word that is
// not in the list.
func (d *Decoder) choice(f field, list *names, other uint8) uint8 {
	v := &d.fields[f]
	if v.shape != isString || len(v.b) == 0 {
		return 0
	}
	if i := list.find(v.b); i >= 0 {
		return uint8(i)
	}
	return other
}

// mustChoose is choice for a field whose value must be in the list.
func (d *Decoder) mustChoose(f field, list *names, words string) uint8 {
	v := &d.fields[f]
	if v.shape != isString || len(v.b) == 0 {
		d.mustHave(f)
		return 0
	}
	i := list.find(v.b)
	if i <= 0 {
		d.note(ReasonBadValue, fieldSpecs[f].name, `"`, brief(v.b), `"; want one of `, words)
		return 0
	}
	return uint8(i)
}
