package schemas

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// VisitorID is the 128-bit identity of (tenant, key); key is the anonymous_id,
// or "u:" + user_id, or "o:" + order_id. scratch is reused and returned.
func VisitorID(scratch []byte, tenant string, prefix string, key []byte) (ID, []byte) {
	scratch = append(append(append(append(scratch[:0], tenant...), 0), prefix...), key...)
	return hash128(scratch), scratch
}

// DedupID is the 128-bit identity of an event: source and id.
func DedupID(scratch, source, id []byte) (ID, []byte) {
	scratch = append(append(append(scratch[:0], source...), 0), id...)
	return hash128(scratch), scratch
}

// Hash64 is the identity of an order or a user inside a tenant; never 0.
func Hash64(scratch []byte, tenant string, key []byte) (uint64, []byte) {
	scratch = append(append(append(scratch[:0], tenant...), 0), key...)
	return max(xxh3.Hash(scratch), 1), scratch
}

func hash128(b []byte) ID {
	h := xxh3.Hash128(b)
	var id ID
	binary.BigEndian.PutUint64(id[:8], h.Hi)
	binary.BigEndian.PutUint64(id[8:], h.Lo)
	return id
}
