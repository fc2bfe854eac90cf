package schemas

import "encoding/binary"

// names finds the index of a name in a closed list. It is a plain open hash
// table over a handful of constant words: a lookup reads the first and the last
// bytes of the key and compares one string, which is several times faster than
// a map for keys that are nearly always in the list.
type names struct {
	slots []nameSlot
	shift uint8
}

type nameSlot struct {
	name string
	id   uint16 // index + 1, 0 is an empty slot
}

// newNames gives every non-empty name its index.
func newNames(list []string) *names {
	bits := 4
	for 1<<bits < 4*len(list) {
		bits++
	}
	n := &names{slots: make([]nameSlot, 1<<bits), shift: uint8(64 - bits)}
	for i, name := range list {
		if name != "" {
			n.add(name, i)
		}
	}
	return n
}

func (n *names) add(name string, id int) {
	i := int(hashName([]byte(name)) >> n.shift)
	for n.slots[i].id != 0 {
		i = (i + 1) & (len(n.slots) - 1)
	}
	n.slots[i] = nameSlot{name, uint16(id + 1)}
}

// find gives the index of the name, -1 if it is not in the list.
func (n *names) find(key []byte) int {
	i := int(hashName(key) >> n.shift)
	for {
		s := &n.slots[i&(len(n.slots)-1)]
		if s.id == 0 {
			return -1
		}
		if s.name == string(key) {
			return int(s.id) - 1
		}
		i++
	}
}

func hashName(b []byte) uint64 {
	var lo, hi uint64
	switch n := len(b); {
	case n >= 8:
		lo, hi = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		lo, hi = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		lo = uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
	}
	h := lo*0x9e3779b97f4a7c15 ^ (hi+uint64(len(b)))*0xc2b2ae3d27d4eb4f
	h ^= h >> 29
	return h * 0x9e3779b97f4a7c15
}
