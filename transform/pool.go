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

const poolPage = 256

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
