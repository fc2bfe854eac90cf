package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/storepulse/storepulse/schemas"
)

// A record batch of format 2, the only one brokers have written since 0.11:
//
//	 0 base offset      i64   17 CRC-32C of all that follows   u32   43 producer id     i64
//	 8 length from 12   i32   21 attributes                    i16   51 producer epoch  i16
//	12 leader epoch     i32   23 last offset delta             i32   53 base sequence   i32
//	16 magic            i8    27 base timestamp, 35 maximum    i64   57 record count    i32, then records
//
// A record is its length, attributes (i8), timestamp and offset delta, key
// length and key, value length and value, header count and headers; all
// lengths, deltas and counts are zigzag varints, a length of -1 is null.
const (
	batchHeader   = 61
	lengthEnd     = 12 // bytes before the part that the length counts
	codecMask     = 0x07
	logAppendTime = 0x08
	transactional = 0x10
	controlBatch  = 0x20
	minRecord     = 7 // bytes of the smallest possible record
)

// maxBatchBytes bounds one batch after decompression: what a few bytes from
// outside may cost in memory.
const maxBatchBytes = 64 << 20

// maxChunkBytes ends the decoding of a response that unpacks to more, in bytes of
// the records or in what as many records cost beside; the rest is fetched again.
const maxChunkBytes = 16 << 20

// Errors of the decoder. Corrupt bytes may come right on the next fetch; a
// batch that is too large, too old or was written so will not.
var (
	errCorrupt   = errors.New("corrupt record batch")
	errTooLarge  = errors.New("record batch too large")
	errOldMagic  = errors.New("message format before 2")
	errAsWritten = errors.New("its checksum is right, so it was written so")
)

// batchDecoder turns record sets into records. It is shared by all lanes.
type batchDecoder struct {
	codecs   *codecs
	maxBatch int
	maxTotal int
}

// decode appends the committed records at and after c.next to c.records and
// moves c.next behind the last batch or, if one has more records than there is
// room for, before the first of those left. Records alias set, or c's own
// buffer where the batch was compressed. need is the size of a batch that was
// cut off by the fetch size, 0 if there was none. After an error c holds what
// came before it.
func (d *batchDecoder) decode(c *chunk, set []byte, aborted []abortedTransaction) (need int, err error) {
	from := c.next
	filter := abortFilter{list: aborted}
	for len(set) > lengthEnd {
		length := int64(int32(binary.BigEndian.Uint32(set[8:])))
		if length < 5 {
			return 0, fmt.Errorf("%w: length %d", errCorrupt, length)
		}
		size := lengthEnd + int(length)
		if len(set) > 16 && set[16] != 2 {
			return 0, fmt.Errorf("%w (magic %d)", errOldMagic, set[16])
		}
		if size > len(set) {
			return size, nil
		}
		b := set[:size:size]
		set = set[size:]
		if size < batchHeader {
			return 0, fmt.Errorf("%w: %d bytes", errCorrupt, size)
		}
		base, epoch := int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[12:]))
		delta := int64(int32(binary.BigEndian.Uint32(b[23:])))
		last := base + delta
		if base < 0 || delta < 0 || last < base {
			return 0, fmt.Errorf("%w: offsets %d + %d", errCorrupt, base, delta)
		}
		if crc32.Checksum(b[21:], castagnoli) != binary.BigEndian.Uint32(b[17:]) {
			return 0, fmt.Errorf("%w at offset %d: checksum differs", errCorrupt, base)
		}
		dropped := filter.drop(b, last)
		if last < c.next {
			continue
		}
		if !dropped {
			if max(c.bytes, len(c.records)*recordBytes) > d.maxTotal {
				return 0, nil
			}
			rest, err := d.batch(c, b, base, delta, from)
			if err != nil {
				return 0, fmt.Errorf("record batch of offsets %d to %d: %w (%w)", base, last, err, errAsWritten)
			}
			if rest >= 0 {
				c.next, c.epoch = rest, epoch
				return 0, nil
			}
		}
		c.next, c.epoch = last+1, epoch
	}
	return 0, nil
}

// batch decodes the records of one batch whose header was checked. A batch
// with a fault gives nothing; of one with more records than there is room for,
// rest is the offset of the first that was left, else -1.
func (d *batchDecoder) batch(c *chunk, b []byte, base, lastDelta, from int64) (rest int64, err error) {
	attributes := binary.BigEndian.Uint16(b[21:])
	recs := b[batchHeader:]
	if codec := attributes & codecMask; codec != 0 {
		out, err := d.codecs.decompress(codec, recs, c.free(), d.maxBatch)
		if err != nil {
			return 0, err
		}
		recs = c.keep(out)
	} else if len(recs) > d.maxBatch {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", errTooLarge, len(recs), d.maxBatch)
	} else {
		c.aliasesRaw = true
	}
	count := int64(int32(binary.BigEndian.Uint32(b[57:])))
	if count < 0 || count > int64(len(recs)/minRecord) {
		return 0, fmt.Errorf("%w: %d records in %d bytes", errCorrupt, count, len(recs))
	}
	head := batchHead{base: base, lastDelta: lastDelta, from: from, room: max(d.maxTotal/recordBytes, 1), timestamp: int64(binary.BigEndian.Uint64(b[27:]))}
	if attributes&logAppendTime != 0 {
		head.appendTime, head.timestamp = true, int64(binary.BigEndian.Uint64(b[35:]))
	}
	before := len(c.records)
	records, got := appendRecords(c.records, recs, int(count), head)
	if !got.ok {
		c.records = records[:before]
		return 0, fmt.Errorf("%w: bad record", errCorrupt)
	}
	c.records = records
	c.bytes += got.bytes
	return got.rest, nil
}

// batchHead is what the records of a batch are relative to.
type batchHead struct {
	base, lastDelta, from int64
	room                  int // for so many records
	timestamp             int64
	appendTime            bool // the broker's time counts for every record
}

// appended says what appendRecords found.
type appended struct {
	bytes int   // of keys, values and headers
	rest  int64 // offset of the first record that found no room, -1 if all did
	ok    bool
}

// appendRecords appends the records at and after head.from as far as there is
// room, and looks at all of them.
func appendRecords(dst []schemas.Record, b []byte, count int, head batchHead) ([]schemas.Record, appended) {
	bad := appended{rest: -1}
	previous, bytes, rest, limit := int64(-1), 0, int64(-1), len(dst)+head.room
	for range count {
		length, n := varint(b)
		if n <= 0 || length < minRecord-1 || length > int64(len(b)-n) {
			return dst, bad
		}
		rec := b[n : n+int(length) : n+int(length)]
		b = b[n+int(length):]

		timestamp, i := varint(rec[1:])
		if i <= 0 {
			return dst, bad
		}
		i++
		delta, n := varint(rec[i:])
		if n <= 0 || delta <= previous || delta > head.lastDelta {
			return dst, bad
		}
		i += n
		previous = delta
		key, i, kok := field(rec, i)
		value, i, vok := field(rec, i)
		if !kok || !vok || i >= len(rec) {
			return dst, bad
		}
		if head.base+delta < head.from {
			continue
		}
		if len(dst) == limit {
			if rest < 0 {
				rest = head.base + delta
			}
			continue
		}
		r := schemas.Record{Offset: head.base + delta, Timestamp: head.timestamp, Key: key, Value: value, Headers: rec[i:]}
		if !head.appendTime {
			r.Timestamp += timestamp
		}
		bytes += len(rec) - i + len(key) + len(value)
		dst = append(dst, r)
	}
	return dst, appended{bytes: bytes, rest: rest, ok: len(b) == 0}
}

// field reads a length and that many bytes at i; a length of -1 gives nil.
func field(b []byte, i int) (v []byte, next int, ok bool) {
	n, k := varint(b[i:])
	i += max(k, 0)
	if k <= 0 || n < -1 || n > int64(len(b)-i) {
		return nil, i, false
	}
	if n < 0 {
		return nil, i, true
	}
	next = i + int(n)
	return b[i:next:next], next, true
}

// varint reads a zigzag varint; most of them are one byte.
func varint(b []byte) (int64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	return binary.Varint(b)
}

// abortFilter says which batches a reader of committed records must not see.
// The list is sorted by first offset and complete for the response it came with.
type abortFilter struct {
	list []abortedTransaction
	open []int64 // producers inside an aborted transaction
}

// drop reports whether the batch is a marker or part of an aborted transaction.
func (f *abortFilter) drop(b []byte, last int64) bool {
	for len(f.list) > 0 && f.list[0].first <= last {
		f.open = append(f.open, f.list[0].producer)
		f.list = f.list[1:]
	}
	attributes := binary.BigEndian.Uint16(b[21:])
	if attributes&transactional == 0 {
		return attributes&controlBatch != 0
	}
	producer := int64(binary.BigEndian.Uint64(b[43:]))
	if attributes&controlBatch == 0 {
		for _, p := range f.open {
			if p == producer {
				return true
			}
		}
		return false
	}
	if isAbortMarker(b) {
		for i, p := range f.open {
			if p == producer {
				f.open = append(f.open[:i], f.open[i+1:]...)
				break
			}
		}
	}
	return true
}

// isAbortMarker reads the marker's key: version (i16), then type (i16), where
// 0 is abort and 1 is commit.
func isAbortMarker(b []byte) bool {
	if binary.BigEndian.Uint16(b[21:])&codecMask != 0 {
		return false // markers are never compressed
	}
	records, got := appendRecords(nil, b[batchHeader:], 1, batchHead{lastDelta: 1 << 31, room: 1})
	if !got.ok || len(records) != 1 || len(records[0].Key) < 4 {
		return false
	}
	return binary.BigEndian.Uint16(records[0].Key[2:]) == 0
}
