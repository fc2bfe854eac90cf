package schemas

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/zeebo/xxh3"
)

// Tenant is a shop: its local day and its reporting currency.
type Tenant struct {
	ID       string
	Location *time.Location
	Currency string   // ISO 4217 reporting currency
	Domains  []string // own domains: a referrer from them is internal
}

// Vocabulary is what configuration adds to the closed lists. It is immutable
// and shared by the decoder, the transform and the sinks.
type Vocabulary struct {
	Topics      [NumTopics]string
	Tenants     []Tenant
	TenantNames []string
	Types       []string // KindNames, then the configured extra types
	Categories  []string // closed list of first-level categories for metrics: unknown, configured, other
}

// NewVocabulary checks the configured names. Extra types must be new and of
// the form a_b.c; at most 30 categories and 200 tenants.
func NewVocabulary(topics [NumTopics]string, tenants []Tenant, extraTypes, categories []string) (*Vocabulary, error) {
	v := &Vocabulary{Topics: topics, Tenants: tenants, Types: KindNames[:]}
	if len(tenants) == 0 || len(tenants) > 200 {
		return nil, fmt.Errorf("tenants: need 1 to 200 (got %d)", len(tenants))
	}
	for _, t := range tenants {
		if CurrencyIndex([]byte(t.Currency)) == 0 {
			return nil, fmt.Errorf("tenants.%s.currency: %q is not an ISO 4217 code", t.ID, t.Currency)
		}
		v.TenantNames = append(v.TenantNames, t.ID)
	}
	if len(extraTypes) > 200 {
		return nil, fmt.Errorf("events.extra_types: at most 200 (got %d)", len(extraTypes))
	}
	v.Types = slices.Clone(v.Types)
	for _, t := range extraTypes {
		if !typeName.MatchString(t) || slices.Contains(v.Types, t) {
			return nil, fmt.Errorf("events.extra_types: %q must be a new name of a-z, 0-9, dot and _", t)
		}
		v.Types = append(v.Types, t)
	}
	if len(categories) > 30 {
		return nil, fmt.Errorf("events.categories: at most 30 (got %d)", len(categories))
	}
	v.Categories = append(append([]string{"unknown"}, categories...), "other")
	return v, nil
}

var typeName = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,63}$`)

// Hash identifies everything in the vocabulary that decides what becomes of a
// record. Epochs can only be repeated under the vocabulary they were planned with.
func (v *Vocabulary) Hash() uint64 {
	h := xxh3.New()
	add := func(parts ...string) {
		for _, p := range parts {
			_, _ = h.WriteString(p + "\x00") // never fails
		}
		_, _ = h.WriteString("\x01")
	}
	add(v.Topics[:]...)
	for _, t := range v.Tenants {
		add(append([]string{t.ID, t.Location.String(), t.Currency}, t.Domains...)...)
	}
	add(v.Types...)
	add(v.Categories...)
	return h.Sum64()
}

// Batch is the decoded input of one epoch, reused from epoch to epoch.
type Batch struct {
	Events     *Events
	Orders     *Orders
	Items      *OrderItems
	Letters    *Letters
	Tombstones [NumTopics]int64 // records without a value: counted, nothing stored
}

// NewBatch gives an empty batch over the vocabulary.
func NewBatch(v *Vocabulary) *Batch {
	return &Batch{Events: NewEvents(v), Orders: NewOrders(v), Items: NewOrderItems(v), Letters: NewLetters(v)}
}

// Reserve makes room for so many records of each topic, so that a new batch
// does not grow step by step.
func (b *Batch) Reserve(clicks, orders int) {
	for _, cols := range [][]Column{b.Events.Columns(), b.Events.side()} {
		for _, c := range cols {
			c.Reserve(clicks)
		}
	}
	for _, cols := range [][]Column{b.Orders.Columns(), b.Orders.side()} {
		for _, c := range cols {
			c.Reserve(orders)
		}
	}
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Events.Reset()
	b.Orders.Reset()
	b.Items.Reset()
	b.Letters.Reset()
	b.Tombstones = [NumTopics]int64{}
}
