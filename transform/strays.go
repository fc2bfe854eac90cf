package transform

import (
	"encoding/binary"

	"github.com/storepulse/storepulse/schemas"
)

// strays remembers accepted clicks whose clock ran ahead by days at most. Such
// an event took the time of its arrival; a copy that comes when the stated time
// has passed keeps that one, so it lies where nobody would look for the
// original. Clocks that run ahead further make copies that are corrected too.
type strays struct {
	dedup
	filter [1 << (strayBits - 6)]uint64 // over the ids, so that the map is seldom asked
}

const strayBits = 16

func strayID(visitor, dedup *schemas.ID) (id schemas.ID) {
	for i := range id {
		id[i] = visitor[i] ^ dedup[i]
	}
	return id
}

func strayBit(id *schemas.ID) (word, bit uint64) {
	h := binary.LittleEndian.Uint64(id[8:]) & (1<<strayBits - 1)
	return h >> 6, 1 << (h & 63)
}

// has says that the event is a copy of one that is remembered.
func (x *strays) has(visitor, dedup *schemas.ID, watermark int64) bool {
	if len(x.expires) == 0 {
		return false
	}
	id := strayID(visitor, dedup)
	word, bit := strayBit(&id)
	return x.filter[word]&bit != 0 && x.remembers(id, watermark)
}

func (x *strays) add(id schemas.ID, until int64) {
	word, bit := strayBit(&id)
	x.filter[word] |= bit
	x.dedup.add(id, until)
}

// expire forgets as dedup does, and what the filter held of it.
func (x *strays) expire(watermark int64) (cut int64) {
	was := len(x.expires)
	cut = x.dedup.expire(watermark)
	if len(x.expires) < was {
		clear(x.filter[:])
		for id := range x.expires { // a union: the order is nothing
			word, bit := strayBit(&id)
			x.filter[word] |= bit
		}
	}
	return cut
}

// strayed remembers row i, whose time was replaced by its arrival's.
func (s *State) strayed(e *schemas.Events, i int, stated int64) {
	if stated-e.Received[i] <= lookBack*day {
		s.strays.add(strayID(&e.Visitor[i], &e.Dedup[i]), stated+lookBack*day)
	}
}
