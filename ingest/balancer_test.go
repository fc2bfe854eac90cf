package ingest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
)

// Whatever members come and go and whatever they claim: every lane has one
// member, shares differ by one at most, and no more lanes move than must.
func TestAssignLanes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		lanes := make([]uint32, rng.IntN(40))
		for i := range lanes {
			lanes[i] = uint32(i)
		}
		held := map[string]holding{}
		for generation := range int32(12) {
			for range rng.IntN(3) { // some join
				held[fmt.Sprintf("m%d", rng.IntN(1000))] = holding{}
			}
			for _, m := range slices.Sorted(maps.Keys(held)) { // some leave
				if rng.IntN(5) == 0 && len(held) > 1 {
					delete(held, m)
				}
			}
			if rng.IntN(4) == 0 {
				held["liar"] = holding{generation: rng.Int32N(20), lanes: []uint32{0, 1, 2, 3, 99}}
			}
			got := assignLanes(held, lanes)
			if again := assignLanes(held, lanes); !cmp.Equal(got, again) {
				t.Fatalf("not deterministic: %v, %v", got, again)
			}
			checkShares(t, held, lanes, got)
			for m, l := range got {
				held[m] = holding{generation: generation + 100, lanes: l}
			}
			// Nobody came or went: nothing moves.
			if again := assignLanes(held, lanes); !cmp.Equal(got, again) {
				t.Fatalf("a stable group moved lanes: %v, %v", got, again)
			}
		}
	}
}

func checkShares(t *testing.T, held map[string]holding, lanes []uint32, got map[string][]uint32) {
	t.Helper()
	if len(held) == 0 {
		return
	}
	var all []uint32
	low, high := len(lanes), 0
	for m := range held {
		all = append(all, got[m]...)
		low, high = min(low, len(got[m])), max(high, len(got[m]))
		if !slices.IsSorted(got[m]) {
			t.Fatalf("lanes of %s not sorted: %v", m, got[m])
		}
	}
	slices.Sort(all)
	if !slices.Equal(all, lanes) || high-low > 1 || len(got) != len(held) {
		t.Fatalf("lanes %v over %v: %v", lanes, held, got)
	}
}

func TestBalancerKeepsTopicsTogether(t *testing.T) {
	b := &laneBalancer{topics: []string{"clicks", "orders"}}
	b.hold(7, []uint32{1, 3})
	data, err := b.UserData()
	if err != nil {
		t.Fatal(err)
	}
	// Brokers list partitions in any order; one topic has a partition more.
	var partitions []kafka.Partition
	for _, id := range []int{3, 0, 2, 1} {
		partitions = append(partitions, kafka.Partition{Topic: "orders", ID: id}, kafka.Partition{Topic: "clicks", ID: 3 - id})
	}
	partitions = append(partitions, kafka.Partition{Topic: "clicks", ID: 4}, kafka.Partition{Topic: "else", ID: 0})
	got := b.AssignGroups([]kafka.GroupMember{{ID: "a", UserData: []byte("junk")}, {ID: "b", UserData: data}}, partitions)
	want := kafka.GroupMemberAssignments{
		"a": {"clicks": {0, 2}, "orders": {0, 2}},
		"b": {"clicks": {1, 3}, "orders": {1, 3}},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Fatalf("(-got, +want):\n%s", diff)
	}
}

func TestPartitionOfIsJavas(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	partitions := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	for range 1000 {
		key := make([]byte, rng.IntN(40))
		for i := range key {
			key[i] = byte(rng.Uint32())
		}
		want := kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, partitions...)
		if got := partitionOf(key, 12); int(got) != want {
			t.Fatalf("key %x: partition %d, want %d", key, got, want)
		}
	}
}
