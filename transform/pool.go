package transform

// pool hands out values by number from pages that never move, so that growth
// copies nothing and the collector finds few, pointer-free objects. Number 0
// is nil. Numbers are an accident of history: nothing that leaves the state
// may depend on them.
type pool[T any] struct {
	pages [][]T
	free  []uint32
	used  uint32 // numbers ever handed out, including 0
}

const poolPage = 1024

func (p *pool[T]) at(i uint32) *T { return &p.pages[i/poolPage][i%poolPage] }

// take gives a zero value's number.
func (p *pool[T]) take() uint32 {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		var zero T
		*p.at(i) = zero
		return i
	}
	if p.used == 0 {
		p.used = 1
	}
	i := p.used
	if int(i/poolPage) >= len(p.pages) {
		p.pages = append(p.pages, make([]T, poolPage))
	}
	p.used++
	return i
}

func (p *pool[T]) put(i uint32) { p.free = append(p.free, i) }

// live counts the values in use.
func (p *pool[T]) live() int {
	if p.used == 0 {
		return 0
	}
	return int(p.used) - 1 - len(p.free)
}

// blocks hands out runs of packed events in size classes from pages.
type blocks struct {
	classes []class
	bytes   int64
}

type class struct {
	size  int  // events a block
	shift uint // log2 of the blocks a page
	pages [][]event
	free  []uint32
	used  uint32
}

const blockPage = 1024 // events a page, about

// newBlocks makes classes of 1 to 8, then four steps a doubling, up to limit.
func newBlocks(limit int) blocks {
	var b blocks
	for size := 1; ; {
		c := class{size: size}
		for size<<(c.shift+1) <= blockPage {
			c.shift++
		}
		b.classes = append(b.classes, c)
		if size >= limit {
			return b
		}
		step := 1
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

func (b *blocks) take(k uint8) uint32 {
	c := &b.classes[k]
	if n := len(c.free); n > 0 {
		i := c.free[n-1]
		c.free = c.free[:n-1]
		return i
	}
	i := c.used
	if int(i>>c.shift) >= len(c.pages) {
		c.pages = append(c.pages, make([]event, c.size<<c.shift))
		b.bytes += int64(c.size<<c.shift) * eventBytes
	}
	c.used++
	return i
}

func (b *blocks) put(k uint8, i uint32) { b.classes[k].free = append(b.classes[k].free, i) }

// at gives a block's whole capacity.
func (b *blocks) at(k uint8, i uint32) []event {
	c := &b.classes[k]
	page := c.pages[i>>c.shift]
	from := int(i&(1<<c.shift-1)) * c.size
	return page[from : from+c.size : from+c.size]
}
