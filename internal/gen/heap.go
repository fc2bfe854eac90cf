package gen

// item is one moment in a heap; seq breaks ties, so that order is total and
// does not depend on the heap's shape.
type item struct {
	at   int64
	seq  uint64
	slot int32
	kind uint8
}

const (
	actorShopper uint8 = iota
	actorOrder
)

// heap is a binary min-heap. container/heap would box every item.
type heap struct{ items []item }

func (h *heap) len() int    { return len(h.items) }
func (h *heap) first() item { return h.items[0] }

func less(a, b item) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

func (h *heap) push(it item) {
	s := append(h.items, it)
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !less(it, s[up]) {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = it
	h.items = s
}

func (h *heap) pop() item {
	s := h.items
	top, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	h.items = s
	if len(s) == 0 {
		return top
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(s) {
			break
		}
		if c+1 < len(s) && less(s[c+1], s[c]) {
			c++
		}
		if !less(s[c], last) {
			break
		}
		s[i] = s[c]
		i = c
	}
	s[i] = last
	return top
}

// pool hands out slots of a growing slice and takes them back.
type pool[T any] struct {
	all  []T
	idle []int32
}

func (p *pool[T]) take() int32 {
	if n := len(p.idle); n > 0 {
		slot := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return slot
	}
	var zero T
	p.all = append(p.all, zero)
	return int32(len(p.all) - 1)
}

// at is valid until the next take.
func (p *pool[T]) at(slot int32) *T { return &p.all[slot] }
func (p *pool[T]) free(slot int32)  { p.idle = append(p.idle, slot) }
