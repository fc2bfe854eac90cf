package ingest

import (
	"encoding/binary"
	"hash/crc32"
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

func checksum(crc uint32, records []schemas.Record) uint32 {
	var head [12]byte
	for i := range records {
		r := &records[i]
		binary.BigEndian.PutUint64(head[:], uint64(r.Offset))
		binary.BigEndian.PutUint32(head[8:], lengthOf(r.Key))
		crc = crc32.Update(crc, castagnoli, head[:])
		crc = crc32.Update(crc, castagnoli, r.Key)
		binary.BigEndian.PutUint32(head[:], lengthOf(r.Value))
		crc = crc32.Update(crc, castagnoli, head[:4])
		crc = crc32.Update(crc, castagnoli, r.Value)
		binary.BigEndian.PutUint32(head[:], lengthOf(r.Headers))
		crc = crc32.Update(crc, castagnoli, head[:4])
		crc = crc32.Update(crc, castagnoli, r.Headers)
	}
	return crc
}

func lengthOf(b []byte) uint32 {
	if b == nil {
		return ^uint32(0)
	}
	return uint32(len(b))
}
