package transform

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/storepulse/storepulse/schemas"
)

// The index agrees with a map whatever comes and goes, in any order.
func TestIndex(t *testing.T) {
	seed := propertySeed(t)
	r := rand.New(rand.NewPCG(seed, 5))
	x, visitors, want := newIndex(), pool[visitor]{}, map[schemas.ID]uint32{}
	var ids []schemas.ID
	check := func() {
		t.Helper()
		var got []uint32
		for k := range x.segments {
			g := &x.segments[k]
			for _, e := range g.slots {
				if i := g.number(e); i != 0 {
					got = append(got, i)
				}
			}
		}
		slices.Sort(got)
		numbers := make([]uint32, 0, len(want))
		for id, i := range want {
			numbers = append(numbers, i)
			if got := x.find(&visitors, &id); got != i {
				t.Fatalf("seed %d: %x is found as %d, want %d", seed, id, got, i)
			}
		}
		slices.Sort(numbers)
		if !slices.Equal(got, numbers) || x.n != len(want) {
			t.Fatalf("seed %d: %d visitors are listed, counted %d, want %d", seed, len(got), x.n, len(want))
		}
	}
	for round := range 12 {
		grow := []int{0, 9, 5, 7, 1, 8, 5, 2, 9, 5, 0, 5}[round] // of ten steps that many add
		for range 20_000 {
			if r.IntN(10) < grow || len(ids) == 0 {
				i := visitors.take()
				id := bigID(r.Uint64())
				visitors.at(i).id = id
				x.add(&visitors, i)
				want[id] = i
				ids = append(ids, id)
				continue
			}
			k := r.IntN(len(ids))
			id := ids[k]
			ids[k] = ids[len(ids)-1]
			ids = ids[:len(ids)-1]
			x.remove(&visitors, want[id])
			visitors.put(want[id])
			delete(want, id)
			if i := x.find(&visitors, &id); i != 0 {
				t.Fatalf("seed %d: %x has left and is found as %d", seed, id, i)
			}
		}
		check()
	}
}
