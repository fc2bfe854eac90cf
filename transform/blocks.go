package transform

// blocks hands out runs of packed events in size classes. All classes share
// pages of one size, and a page whose blocks are all free goes back to any
// class: visitors grow through the classes, and what they grew out of must not
// stay behind as waste.
type blocks struct {
	classes []class
	pages   []page
	empty   []uint32 // pages without a block in use
}

type class struct {
	size    int    // events a block
	slots   uint32 // blocks a page
	partial uint32 // 1 + first page with a free block
}

type page struct {
	events     []event
	free       uint32 // 1 + first free slot; the next one stands in its first event's key
	fresh      uint32 // slots never used
	used       uint32
	next, prev uint32 // 1 + neighbours among the partial pages of the class
	size       uint16 // events a block
	class      uint8
	listed     bool
}

const (
	pageEvents = 1024 // a page is 16 KiB, unless a block alone is larger
	slotBits   = 10
)

// newBlocks makes classes of 2, 4, 6 … 16, then four steps a doubling, up to
// limit: most sessions are short, and there a step is one more event.
func newBlocks(limit int) blocks {
	var b blocks
	for size := 2; ; {
		b.classes = append(b.classes, class{size: size, slots: uint32(max(1, pageEvents/size))})
		if size >= limit {
			return b
		}
		step := 2
		for size >= 8*step {
			step *= 2
		}
		size += step
	}
}

// class gives the smallest class that holds n events.
func (b *blocks) class(n int, from uint8) uint8 {
	for b.classes[from].size < n {
		from++
	}
	return from
}

// take gives a block of class k; its events are not cleared.
func (b *blocks) take(k uint8) uint32 {
	c := &b.classes[k]
	if c.partial == 0 {
		b.list(c, b.page(k, c))
	}
	i := c.partial - 1
	p := &b.pages[i]
	slot := p.fresh
	if p.free != 0 {
		slot = p.free - 1
		p.free = uint32(p.events[int(slot)*c.size].key)
	} else {
		p.fresh++
	}
	p.used++
	if p.used == c.slots {
		b.unlist(c, i)
	}
	return i<<slotBits | slot
}

// page finds an empty page for the class.
func (b *blocks) page(k uint8, c *class) uint32 {
	length := max(pageEvents, c.size)
	n := len(b.empty)
	if n == 0 || length > pageEvents {
		b.pages = append(b.pages, page{class: k, size: uint16(c.size), events: make([]event, length)})
		return uint32(len(b.pages) - 1)
	}
	i := b.empty[n-1]
	b.empty = b.empty[:n-1]
	b.pages[i] = page{class: k, size: uint16(c.size), events: b.pages[i].events}
	return i
}

func (b *blocks) put(block uint32) {
	i, slot := block>>slotBits, block&(1<<slotBits-1)
	p := &b.pages[i]
	c := &b.classes[p.class]
	p.events[int(slot)*c.size].key = uint64(p.free)
	p.free = slot + 1
	p.used--
	if !p.listed {
		b.list(c, i)
	}
	if p.used == 0 && len(p.events) == pageEvents {
		b.unlist(c, i)
		b.empty = append(b.empty, i)
	}
}

func (b *blocks) list(c *class, i uint32) {
	p := &b.pages[i]
	p.next, p.prev, p.listed = c.partial, 0, true
	if p.next != 0 {
		b.pages[p.next-1].prev = i + 1
	}
	c.partial = i + 1
}

func (b *blocks) unlist(c *class, i uint32) {
	p := &b.pages[i]
	if p.prev != 0 {
		b.pages[p.prev-1].next = p.next
	} else {
		c.partial = p.next
	}
	if p.next != 0 {
		b.pages[p.next-1].prev = p.prev
	}
	p.next, p.prev, p.listed = 0, 0, false
}

// at gives a block's whole capacity.
func (b *blocks) at(block uint32) []event {
	p := &b.pages[block>>slotBits]
	size := int(p.size)
	from := int(block&(1<<slotBits-1)) * size
	return p.events[from : from+size : from+size]
}

func (b *blocks) classOf(block uint32) uint8 { return b.pages[block>>slotBits].class }

// bytes is what the pages hold.
func (b *blocks) bytes() int64 {
	n := int64(0)
	for i := range b.pages {
		n += int64(len(b.pages[i].events)) * eventBytes
	}
	return n
}
