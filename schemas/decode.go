package schemas

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Decoder turns records into rows. It is meant for one goroutine and reused:
// once its buffers have grown, decoding allocates nothing. What it does depends
// on the record and the vocabulary alone.
type Decoder struct {
	event
	v        *Vocabulary
	types    *names // every accepted spelling
	kinds    []typeOf
	tenants  *names
	fallback int        // tenant of records without tenantid, -1 if there is none
	domains  [][]string // by tenant, lower case
	classes  classifier
	bots     botCache

	currencies, platforms, pageTypes, regions, consents, orderTypes, fulfillments, payMethods, payErrors,
	cancelReasons, refundTypes, refundReasons *names

	platformWords, pageTypeWords string // for messages

	scratch []byte // identities, copies
	lines   []line // of the order at hand
	head
}

// typeOf is what a spelling of an event type means.
type typeOf struct {
	index uint8 // in Vocabulary.Types
	kind  Kind
}

// head is what both topics read from the envelope.
type head struct {
	typ            typeOf
	tenant         uint8
	time, sent     int64
	received       int64
	stamp          int64 // Kafka timestamp, 0 if the record has none to go by
	explicit       uint8
	sequence       uint64
	currency       uint8
	isTest, inside uint8
}

// NewDecoder builds the tables of the vocabulary.
func NewDecoder(v *Vocabulary) *Decoder {
	d := &Decoder{
		v: v, tenants: newNames(v.TenantNames), fallback: -1, classes: newClassifier(),
		currencies: newNames(CurrencyNames()), platforms: newNames(PlatformNames), pageTypes: newNames(PageTypeNames),
		regions: newNames(RegionNames), consents: newNames(ConsentNames), orderTypes: newNames(OrderTypeNames),
		fulfillments: newNames(FulfillmentNames), payMethods: newNames(PaymentMethodNames), payErrors: newNames(PaymentErrorNames),
		cancelReasons: newNames(CancelReasonNames), refundTypes: newNames(RefundTypeNames), refundReasons: newNames(RefundReasonNames),
		platformWords: strings.Join(PlatformNames[1:], ", "), pageTypeWords: strings.Join(PageTypeNames[1:], ", "),
	}
	var fields, items, spellings []string
	for f, s := range fieldSpecs {
		fields = append(fields, s.name)
		d.fieldNames[f] = []byte(s.name)
	}
	for f, s := range itemSpecs {
		items = append(items, s.name)
		d.itemNames[f] = []byte(s.name)
	}
	d.fieldsBy, d.itemsBy, d.deny = newNames(fields), newNames(items), newDenyList()
	for i, name := range v.Types {
		t := typeOf{uint8(i), KindOther}
		if i < int(NumKinds) {
			t.kind = Kind(i)
		}
		if t.kind == KindUnknown || i == int(KindOther) {
			continue // words of the closed list, not types of a producer
		}
		spellings = append(spellings, name, longType(name, t.kind.Topic()))
		d.kinds = append(d.kinds, t, t)
	}
	d.types = newNames(spellings)
	for i, t := range v.Tenants {
		if len(v.Tenants) == 1 || t.ID == "default" {
			d.fallback = i
		}
		var own []string
		for _, domain := range t.Domains {
			own = append(own, strings.ToLower(domain))
		}
		d.domains = append(d.domains, own)
	}
	return d
}

// longType is the type name of the CloudEvents form.
func longType(name string, t Topic) string {
	if t == Clickstream {
		return "ecom.click." + name + ".v1"
	}
	return "ecom." + name + ".v1"
}

// Decode appends exactly one row: to b.Events or to b.Orders with its lines in
// b.Items, or to b.Letters if the record cannot be accepted; the result says
// why. A record without a value is a tombstone and only counted.
func (d *Decoder) Decode(t Topic, r *Record, b *Batch) Reason {
	if len(r.Value) == 0 {
		b.Tombstones[t]++
		return ReasonNone
	}
	if d.read(t, r) {
		if t == Clickstream {
			d.click(r, b.Events)
		} else {
			d.order(r, b.Orders, b.Items)
		}
		if d.reason == ReasonNone {
			return ReasonNone
		}
	}
	d.letter(t, r, b.Letters)
	return d.reason
}

// read scans the record and judges what is common to both topics. It reports
// false if the record is lost; trouble says why.
func (d *Decoder) read(t Topic, r *Record) bool {
	d.trouble.reset()
	d.scanned = false
	if len(r.Value) > maxRecord {
		clear(d.fields[:])
		d.note(ReasonTooLarge, "", "the record has ", d.num(uint64(len(r.Value))), " bytes; want at most ", d.num(uint64(maxRecord)))
		return false
	}
	if len(r.Headers) > 1 && !d.plainMode(r.Headers) {
		clear(d.fields[:])
		return false
	}
	if !d.scan(r.Value, t) {
		d.brokenJSON()
		return false
	}
	if d.high&0x8080808080808080 != 0 && !utf8.Valid(r.Value) {
		d.override(ReasonBadJSON, "", "the record is not valid UTF-8")
		return false
	}
	d.scanned = true
	if d.pii >= 0 {
		d.personal()
		return false
	}
	if d.reason == ReasonBadType && len(d.field) == 0 {
		return false // not an object
	}
	if !d.readType(t) || !d.readTenant() {
		return false
	}
	d.readEnvelope(r)
	return d.reason == ReasonNone
}

// brokenJSON notes what the scanner found. Nesting that is merely too deep is
// told apart by the standard library: that record is JSON, but none we take.
func (d *Decoder) brokenJSON() {
	if d.tooDeep && json.Valid(d.b) && utf8.Valid(d.b) {
		d.override(ReasonBadValue, "", "byte ", d.num(uint64(d.errAt)), ": want ", d.errWant)
		return
	}
	d.override(ReasonBadJSON, "", "byte ", d.num(uint64(d.errAt)), ": want ", d.errWant)
}

// readType overrides other trouble: without its type an event means nothing.
func (d *Decoder) readType(t Topic) bool {
	v := &d.fields[fType]
	if v.shape != isString {
		d.missing(fType)
		return false
	}
	i := d.types.find(v.b)
	if i < 0 {
		d.unknownType(v.b)
		return false
	}
	d.typ = d.kinds[i]
	if d.typ.kind.Topic() != t {
		d.override(ReasonWrongTopic, "type", brief(v.b), " belongs on the topic ", d.v.Topics[d.typ.kind.Topic()], ", not on ", d.v.Topics[t])
		return false
	}
	return true
}

func (d *Decoder) unknownType(typ []byte) {
	name, ok := strings.CutPrefix(view(typ), "ecom.")
	if dot := strings.LastIndex(name, ".v"); ok && dot > 0 && name[dot:] != ".v1" && digits([]byte(name), dot+2) == len(name) {
		d.override(ReasonUnknownType, "type", "version ", name[dot+1:], " of ", brief([]byte(name[:dot])), " is not known; want v1")
		return
	}
	d.override(ReasonUnknownType, "type", `"`, brief(typ), `" is not an event type we know; want a canonical name such as page_view or order.paid, `,
		"its long form ecom.click.page_view.v1, or a name listed in events.extra_types")
}

func (d *Decoder) readTenant() bool {
	v := &d.fields[fTenantID]
	if v.shape == isString && len(v.b) > 0 {
		i := d.tenants.find(v.b)
		if i < 0 {
			d.override(ReasonUnknownTenant, "tenantid", `"`, brief(v.b), `" is not configured; want an id of the configuration's tenants`)
			return false
		}
		d.tenant = uint8(i)
		return true
	}
	if d.fallback < 0 {
		d.override(ReasonUnknownTenant, "tenantid", "is absent, and none of the configured tenants is called default; want the shop's id")
		return false
	}
	d.tenant = uint8(d.fallback)
	return true
}

func (d *Decoder) readEnvelope(r *Record) {
	d.mustHave(fID)
	d.mustHave(fSource)
	if v := &d.fields[fSpecVersion]; v.shape == isString && string(v.b) != "1.0" {
		d.note(ReasonBadValue, "specversion", `"`, brief(v.b), `"; want "1.0"`)
	}
	d.mustHave(fTime)
	d.readTimes(r)
	d.sequence = d.whole(fSequence, 0, 1<<64-1)
	d.isTest, d.inside = d.flag(fIsTest), d.flag(fIsInternal)
	d.currency = 0
	if v := &d.fields[fCurrency]; v.shape == isString && len(v.b) > 0 {
		i := d.currencies.find(v.b)
		if i < 0 {
			d.note(ReasonBadCurrency, "currency", `"`, brief(v.b), `" is not an ISO 4217 code; want three capital letters such as CNY`)
			return
		}
		d.currency = uint8(i)
	}
	for _, f := range required[d.typ.kind] {
		d.mustHave(f)
	}
}
