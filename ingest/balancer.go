package ingest

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"
)

// laneBalancer assigns lanes: partition p of both topics goes to the same
// member. Members keep the lanes they have as far as the balance allows, and
// no member has more than one lane more than another. The result depends on
// the members and what they say they hold, not on the order of anything.
//
// Every member sends what it holds; the group's leader decides.
type laneBalancer struct {
	topics []string
	mu     struct {
		sync.Mutex
		held holding
	}
}

// holding is what a member says it has, sent as: version 1, generation (i32),
// then lanes (u32 each, ascending).
type holding struct {
	generation int32
	lanes      []uint32
}

const holdingVersion = 1

// ProtocolName names the rule; members with different rules cannot share a group.
func (b *laneBalancer) ProtocolName() string { return "storepulse-lanes" }

// UserData is sent with every join.
func (b *laneBalancer) UserData() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.held.encode(), nil
}

// hold notes the lanes of the newest generation.
func (b *laneBalancer) hold(generation int32, lanes []uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.held = holding{generation: generation, lanes: slices.Clone(lanes)}
}

func (h holding) encode() []byte {
	out := binary.BigEndian.AppendUint32([]byte{holdingVersion}, uint32(h.generation))
	for _, l := range h.lanes {
		out = binary.BigEndian.AppendUint32(out, l)
	}
	return out
}

// decodeHolding takes anything: what it cannot read is nothing held.
func decodeHolding(b []byte) holding {
	if len(b) < 5 || b[0] != holdingVersion || (len(b)-5)%4 != 0 {
		return holding{}
	}
	h := holding{generation: int32(binary.BigEndian.Uint32(b[1:]))}
	for b = b[5:]; len(b) > 0; b = b[4:] {
		h.lanes = append(h.lanes, binary.BigEndian.Uint32(b))
	}
	return h
}

// AssignGroups is called by kafka-go on the group's leader.
func (b *laneBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	held := make(map[string]holding, len(members))
	for _, m := range members {
		held[m.ID] = decodeHolding(m.UserData)
	}
	out := make(kafka.GroupMemberAssignments, len(members))
	for member, lanes := range assignLanes(held, b.lanes(partitions)) {
		ids := make([]int, len(lanes))
		for i, l := range lanes {
			ids[i] = int(l)
		}
		out[member] = make(map[string][]int, len(b.topics))
		for _, t := range b.topics {
			out[member][t] = ids
		}
	}
	return out
}

// lanes are the partitions that every topic has, ascending.
func (b *laneBalancer) lanes(partitions []kafka.Partition) []uint32 {
	topics := map[int]int{}
	for _, p := range partitions {
		if slices.Contains(b.topics, p.Topic) {
			topics[p.ID]++
		}
	}
	var lanes []uint32
	for id, n := range topics {
		if n == len(b.topics) {
			lanes = append(lanes, uint32(id))
		}
	}
	slices.Sort(lanes)
	return lanes
}

// assignLanes shares lanes over the members: held lanes first, then the rest
// to whoever has room.
func assignLanes(held map[string]holding, lanes []uint32) map[string][]uint32 {
	out := make(map[string][]uint32, len(held))
	if len(held) == 0 {
		return out
	}
	// The newest claim to a lane counts: a member that was away may still
	// name lanes that others have taken since.
	members := make([]string, 0, len(held))
	for m := range held {
		members = append(members, m)
		out[m] = []uint32{}
	}
	slices.Sort(members)
	owner := map[uint32]string{}
	for _, m := range members {
		for _, l := range held[m].lanes {
			if prior, taken := owner[l]; !taken || held[m].generation > held[prior].generation {
				owner[l] = m
			}
		}
	}
	var free []uint32
	for _, l := range lanes {
		if m, ok := owner[l]; ok {
			out[m] = append(out[m], l)
		} else {
			free = append(free, l)
		}
	}
	// Members that hold most get the larger shares, so that fewest lanes move.
	slices.SortStableFunc(members, func(a, b string) int { return len(out[b]) - len(out[a]) })
	share := func(i int) int {
		n := len(lanes) / len(members)
		if i < len(lanes)%len(members) {
			n++
		}
		return n
	}
	for i, m := range members {
		if n := share(i); len(out[m]) > n {
			free = append(free, out[m][n:]...)
			out[m] = out[m][:n:n]
		}
	}
	slices.Sort(free)
	for i, m := range members {
		n := share(i) - len(out[m])
		out[m] = append(out[m], free[:n]...)
		free = free[n:]
		slices.Sort(out[m])
	}
	return out
}
