package ingest

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/storepulse/storepulse/schemas"
)

// TestChecksumIsThePlainOne: plans hold this number for ever, so gathering
// small pieces must not change it.
func TestChecksumIsThePlainOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	piece := func() []byte {
		n := []int{-1, 0, 1, 40, 315, 2000, 4060, 4075, 4080, 4085, 4096, 9000}[rng.IntN(12)]
		if n < 0 {
			return nil
		}
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	for range 200 {
		var records []schemas.Record
		for i := range rng.IntN(20) {
			records = append(records, schemas.Record{Offset: int64(i) * 7, Key: piece(), Value: piece(), Headers: piece()})
		}
		want := uint32(17)
		for _, r := range records {
			want = crc32.Update(want, castagnoli, binary.BigEndian.AppendUint64(nil, uint64(r.Offset)))
			for _, p := range [][]byte{r.Key, r.Value, r.Headers} {
				want = crc32.Update(want, castagnoli, binary.BigEndian.AppendUint32(nil, lengthOf(p)))
				want = crc32.Update(want, castagnoli, p)
			}
		}
		if got := checksum(17, records); got != want {
			t.Fatalf("%d records: got %08x, want %08x", len(records), got, want)
		}
	}
}
