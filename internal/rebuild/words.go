package rebuild

import "github.com/storepulse/storepulse/schemas"

// list finds the number of a stored word.
type list map[string]uint8

func newList(names []string) list {
	l := make(list, len(names))
	for i, name := range names {
		l[name] = uint8(i)
	}
	return l
}

func (l list) index(word string) (uint8, bool) {
	i, ok := l[word]
	return i, ok
}

// words are the closed lists behind the columns that are read.
type words struct {
	tenants, types, pages, channels, platforms, regions, currencies, orderTypes list
}

func newWords(v *schemas.Vocabulary) words {
	e, o := schemas.NewEvents(v), schemas.NewOrders(v)
	return words{
		tenants: newList(v.TenantNames), types: newList(v.Types), pages: newList(e.PageType.Names), channels: newList(e.Channel.Names),
		platforms: newList(e.Platform.Names), regions: newList(e.Region.Names), currencies: newList(o.Currency.Names), orderTypes: newList(o.OrderType.Names),
	}
}

// kind of a stored type; configured ones share one.
func (w words) kind(name string) (uint8, bool) {
	i, ok := w.types.index(name)
	if i >= uint8(schemas.NumKinds) {
		i = uint8(schemas.KindOther)
	}
	return i, ok
}
