package transform

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// byID is a visitor's place in the order of ids.
type byID struct {
	high  uint32 // of the id
	index uint32
}

// byID gives all visitors ascending by id. Ids are hashes, so their first bits
// put them almost where they belong.
func (s *State) byID() []byID {
	list := make([]byID, 0, s.index.n)
	width := bits.Len(uint(s.index.n / 4))
	ends := make([]uint32, 1<<width)
	bucket := func(high uint32) uint32 { return high >> (32 - width) }
	for i := range s.everyVisitor {
		high := binary.BigEndian.Uint32(s.visitors.at(i).id[:])
		list = append(list, byID{high, i})
		ends[bucket(high)]++
	}
	sum := uint32(0)
	for k, n := range ends {
		ends[k] = sum
		sum += n
	}
	sorted := make([]byID, len(list))
	for _, o := range list {
		k := &ends[bucket(o.high)]
		sorted[*k] = o
		*k++
	}
	from := uint32(0)
	for _, end := range ends {
		if end-from > 1 {
			slices.SortFunc(sorted[from:end], func(a, b byID) int {
				if a.high != b.high {
					return cmp.Compare(a.high, b.high)
				}
				return bytes.Compare(s.visitors.at(a.index).id[:], s.visitors.at(b.index).id[:])
			})
		}
		from = end
	}
	return sorted
}
