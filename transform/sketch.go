package transform

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// sketch counts distinct ids (HyperLogLog, 2^14 registers, about 0.8 % error).
// Adding is idempotent and commutative. It starts as a map of the few non-zero
// registers and becomes dense when that is smaller.
type sketch struct {
	sparse    map[uint16]uint8
	dense     []uint8
	histogram [sketchRanks]int32 // how many registers hold each rank
}

const (
	sketchBits      = 14
	sketchRegisters = 1 << sketchBits
	sketchRanks     = 64 - sketchBits + 2
	sketchSparse    = 1024 // entries; a map this large is about as big as 16 KiB
)

func newSketch() *sketch {
	k := &sketch{sparse: map[uint16]uint8{}}
	k.histogram[0] = sketchRegisters
	return k
}

func (k *sketch) add(id schemas.ID) {
	h := binary.BigEndian.Uint64(id[:8])
	k.set(uint16(h>>(64-sketchBits)), uint8(min(bits.LeadingZeros64(h<<sketchBits), 64-sketchBits)+1))
}

func (k *sketch) set(register uint16, rank uint8) {
	was := k.get(register)
	if rank <= was {
		return
	}
	k.histogram[was]--
	k.histogram[rank]++
	if k.dense != nil {
		k.dense[register] = rank
		return
	}
	k.sparse[register] = rank
	if len(k.sparse) > sketchSparse {
		k.dense = make([]uint8, sketchRegisters)
		for r, rank := range k.sparse { // every order gives the same registers
			k.dense[r] = rank
		}
		k.sparse = nil
	}
}

func (k *sketch) get(register uint16) uint8 {
	if k.dense != nil {
		return k.dense[register]
	}
	return k.sparse[register]
}

// count estimates by Ertl's formula, which needs no tables of corrections.
func (k *sketch) count() int64 {
	const m = float64(sketchRegisters)
	z := m * tau(1-float64(k.histogram[sketchRanks-1])/m)
	for r := sketchRanks - 2; r >= 1; r-- {
		z = 0.5 * (z + float64(k.histogram[r]))
	}
	z += m * sigma(float64(k.histogram[0])/m)
	return int64(math.Round(m * m / (2 * math.Ln2 * z)))
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	for y, z := 1.0, x; ; {
		x *= x
		was := z
		z += x * y
		y += y
		if z == was {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	for y, z := 1.0, 1-x; ; {
		x = math.Sqrt(x)
		was := z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
		if z == was {
			return z / 3
		}
	}
}

// perDay holds the sketches of one tenant for the newest three local dates, so
// that today and yesterday are whole whichever side of midnight the watermark is.
type perDay struct {
	days []daySketches // ascending
}

type daySketches struct {
	day       uint16
	platforms [schemas.NumPlatforms]*sketch
}

const keptDays = 3

func (p *perDay) add(date uint16, platform uint8, id schemas.ID) {
	i, ok := slices.BinarySearchFunc(p.days, date, func(d daySketches, date uint16) int { return int(d.day) - int(date) })
	if !ok {
		if len(p.days) == keptDays && i == 0 {
			return
		}
		p.days = slices.Insert(p.days, i, daySketches{day: date})
		newest := int(p.days[len(p.days)-1].day)
		for int(p.days[0].day)+keptDays <= newest {
			p.days = slices.Delete(p.days, 0, 1)
			i--
		}
		if i < 0 {
			return
		}
	}
	d := &p.days[i]
	if d.platforms[platform] == nil {
		d.platforms[platform] = newSketch()
	}
	d.platforms[platform].add(id)
}

func (p *perDay) count(date uint16, platform int) int64 {
	for i := range p.days {
		if d := &p.days[i]; d.day == date && d.platforms[platform] != nil {
			return d.platforms[platform].count()
		}
	}
	return 0
}

// distinct counts the visitors and buyers of the business day, by tenant.
type distinct struct {
	visits, buys []perDay
}

func (d *distinct) visit(tenant int, date uint16, platform uint8, id schemas.ID) {
	d.visits[tenant].add(date, platform, id)
}

func (d *distinct) buy(tenant int, date uint16, platform uint8, id schemas.ID) {
	d.buys[tenant].add(date, platform, id)
}
