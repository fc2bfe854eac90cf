package ingest

import (
	"hash/crc32"
	"sync/atomic"

	"github.com/storepulse/storepulse/schemas"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// keepBuffer is the largest buffer that goes back to the pool: one huge
// record must not be paid for until the process ends.
const keepBuffer = 2 * maxChunkBytes

// recordBytes is what a record costs beside its bytes.
const recordBytes = 88

// chunk is one decoded response. Its records alias raw or plain; it returns to
// the pool when the last holder lets go.
type chunk struct {
	refs       atomic.Int32
	records    []schemas.Record
	raw        []byte // the response, nil while a request owns it
	plain      []byte // decompressed batches, one after the other
	spilled    int    // bytes of batches that are in former plain buffers
	aliasesRaw bool   // a batch was not compressed
	bytes      int    // of keys, values and headers
	memory     int    // held, all included
	next       int64  // offset after the last batch, or before the first record of it that found no room
	epoch      int32  // leader epoch of the last batch
	logEnd     int64  // last stable offset when it was fetched
	open       bool   // a transaction was open: there is more than logEnd shows
	tail       int64  // greatest timestamp of its records
}

// free is the unused end of the plain buffer.
func (c *chunk) free() []byte {
	return c.plain[len(c.plain):len(c.plain):cap(c.plain)]
}

// keep takes what a codec appended to free. Where it did not fit, the codec
// moved to an array of its own, which then becomes the buffer; the records
// decoded before keep the former one alive.
func (c *chunk) keep(out []byte) []byte {
	room := c.free()
	if len(out) == 0 {
		return nil
	}
	if cap(room) > 0 && &room[:1][0] == &out[0] {
		c.plain = c.plain[:len(c.plain)+len(out)]
	} else {
		c.spilled += len(c.plain)
		c.plain = out
	}
	return out
}

func (c *Client) takeChunk(next int64) *chunk {
	k := c.chunks.Get().(*chunk)
	k.refs.Store(1)
	k.records, k.plain = k.records[:0], k.plain[:0]
	k.open, k.epoch = false, -1
	k.aliasesRaw, k.spilled, k.bytes, k.memory, k.next, k.logEnd, k.tail = false, 0, 0, 0, next, 0, 0
	return k
}

func (c *Client) dropChunk(k *chunk) {
	switch n := k.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("BUG: a chunk of records was released twice")
	}
	if cap(k.raw) > keepBuffer {
		k.raw = nil
	}
	if k.spilled > 0 { // one buffer that would have held it all
		k.plain = make([]byte, 0, min(k.spilled+cap(k.plain), keepBuffer))
	}
	if cap(k.plain) > keepBuffer {
		k.plain = nil
	}
	if cap(k.records)*recordBytes > keepBuffer {
		k.records = nil
	}
	c.chunks.Put(k)
}

// takeSlab gives an empty slice for the records of an epoch.
func (c *Client) takeSlab(n int) []schemas.Record {
	if s, ok := c.slabs.Get().(*[]schemas.Record); ok && cap(*s) >= n {
		return (*s)[:0]
	}
	return make([]schemas.Record, 0, n)
}

func (c *Client) dropSlab(s []schemas.Record) {
	if n := cap(s) * recordBytes; n > 0 && n <= keepBuffer {
		s = s[:0]
		c.slabs.Put(&s)
	}
}
