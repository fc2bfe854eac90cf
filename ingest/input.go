package ingest

import (
	"encoding/binary"
	"hash/crc32"
	"sort"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Input is what one epoch reads. Its records alias pooled buffers.
type Input struct {
	Ranges  schemas.Ranges
	Records [schemas.NumTopics][]schemas.Record
	// CRC is CRC-32C over, per topic in order, each record's offset (8 bytes,
	// big endian), key, value and headers, each of the three behind its length
	// (4 bytes, big endian; -1 for nil).
	CRC uint32
	// Idle is positive when the lane has been at the log end of both topics,
	// on successful fetches, for that long since the last record or the last
	// such input. It then has no records.
	Idle time.Duration
	// LogEnd is the last stable offset per topic as of the newest fetch.
	LogEnd schemas.Positions

	client *Client
	chunks []*chunk
}

// Release gives the buffers back: the records are invalid afterwards. An input
// that no lane made has none.
func (in *Input) Release() {
	if in.client == nil {
		return
	}
	for _, k := range in.chunks {
		in.client.dropChunk(k)
	}
	in.chunks = nil
	for _, records := range in.Records {
		in.client.dropSlab(records)
	}
	in.Records = [schemas.NumTopics][]schemas.Record{}
}

func (in *Input) hold(k *chunk) {
	k.refs.Add(1)
	in.chunks = append(in.chunks, k)
}

func (in *Input) seal() {
	in.CRC = 0
	for t := range in.Records {
		in.CRC = checksum(in.CRC, in.Records[t])
	}
}

// Checksum is the CRC of the part of the input that lies in the ranges: the
// one that a plan with these ranges has.
func (in *Input) Checksum(r schemas.Ranges) (crc uint32) {
	for t, records := range in.Records {
		from := sort.Search(len(records), func(i int) bool { return records[i].Offset >= r[t].Start })
		to := sort.Search(len(records), func(i int) bool { return records[i].Offset >= r[t].End })
		crc = checksum(crc, records[from:to])
	}
	return crc
}

// checksum goes on from crc over the records. Small pieces are gathered first:
// a call of the CRC costs more than copying a record.
func checksum(crc uint32, records []schemas.Record) uint32 {
	b := make([]byte, 0, 4<<10)
	for i := range records {
		r := &records[i]
		crc, b = gather(crc, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, uint64(r.Offset)), lengthOf(r.Key)), r.Key)
		crc, b = gather(crc, binary.BigEndian.AppendUint32(b, lengthOf(r.Value)), r.Value)
		crc, b = gather(crc, binary.BigEndian.AppendUint32(b, lengthOf(r.Headers)), r.Headers)
	}
	return crc32.Update(crc, castagnoli, b)
}

// gather adds v to what is held, leaving room for the lengths that follow it.
func gather(crc uint32, b, v []byte) (uint32, []byte) {
	if len(b)+len(v)+16 <= cap(b) {
		return crc, append(b, v...)
	}
	crc = crc32.Update(crc, castagnoli, b)
	if b = b[:0]; len(v)+16 <= cap(b) {
		return crc, append(b, v...)
	}
	return crc32.Update(crc, castagnoli, v), b
}

func lengthOf(b []byte) uint32 {
	if b == nil {
		return ^uint32(0)
	}
	return uint32(len(b))
}
