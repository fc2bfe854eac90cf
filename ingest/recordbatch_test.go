package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/storepulse/storepulse/schemas"
)

func testDecoder() *batchDecoder {
	return &batchDecoder{codecs: newCodecs(), maxBatch: 1 << 20, maxTotal: 4 << 20}
}

func recordsAt(base int64, values ...string) (out []schemas.Record) {
	for i, v := range values {
		out = append(out, schemas.Record{Offset: base + int64(i), Timestamp: 1000 + int64(i), Key: []byte("k"), Value: []byte(v)})
	}
	return out
}

// pack compresses as a producer would; xerial is Java's framing of snappy.
func pack(t testing.TB, codec string, plain []byte) (attributes uint16, packed []byte) {
	t.Helper()
	var b bytes.Buffer
	switch codec {
	case "gzip":
		w := gzip.NewWriter(&b)
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		w.Close()
		return codecGzip, b.Bytes()
	case "snappy":
		return codecSnappy, s2.EncodeSnappy(nil, plain)
	case "xerial":
		b.WriteString(xerialMagic + "\x00\x00\x00\x01\x00\x00\x00\x01")
		for len(plain) > 0 {
			n := min(len(plain), 32)
			block := s2.EncodeSnappy(nil, plain[:n])
			b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(block))))
			b.Write(block)
			plain = plain[n:]
		}
		return codecSnappy, b.Bytes()
	case "lz4":
		w := lz4.NewWriter(&b)
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		w.Close()
		return codecLZ4, b.Bytes()
	case "zstd":
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		return codecZstd, w.EncodeAll(plain, nil)
	}
	t.Fatalf("codec %s", codec)
	return 0, nil
}

func packedBatch(t testing.TB, codec string, base int64, records []schemas.Record) []byte {
	t.Helper()
	attributes, packed := pack(t, codec, recordsOf(base, 500, records))
	return batchOf(batchSpec{base: base, timestamp: 500, attributes: attributes, records: records, packed: packed, count: int32(len(records))})
}

func TestDecodeEveryCodec(t *testing.T) {
	records := recordsAt(40, "one", strings.Repeat("two ", 100), "three")
	for _, codec := range []string{"gzip", "snappy", "xerial", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			// Two batches, so that the second lands behind the first or in a new buffer.
			set := append(packedBatch(t, codec, 40, records), packedBatch(t, codec, 43, recordsAt(43, "four"))...)
			for _, room := range []int{0, 50, 1 << 20} {
				k := &chunk{next: 41, plain: make([]byte, 0, room)}
				need, err := testDecoder().decode(k, set, nil)
				if err != nil || need != 0 || k.next != 44 {
					t.Fatalf("error %v, need %d, next %d", err, need, k.next)
				}
				want := rows(append(records[1:3:3], recordsAt(43, "four")...))
				for i := range want {
					want[i].Headers = "\x00"
				}
				if diff := cmp.Diff(rows(k.records), want); diff != "" {
					t.Fatalf("room %d (-got, +want):\n%s", room, diff)
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := func() []byte { return batchOf(batchSpec{base: 7, records: recordsAt(7, "a", "b")}) }
	change := func(f func(b []byte)) []byte { b := good(); f(b); return sealBatch(b) }
	zeros := make([]byte, 2<<20)
	for name, tc := range map[string]struct {
		set  []byte
		want error
	}{
		"checksum":            {func() []byte { b := good(); b[70]++; return b }(), errCorrupt},
		"magic 1":             {func() []byte { b := good(); b[16] = 1; return b }(), errOldMagic},
		"length":              {change(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 3) }), errCorrupt},
		"negative length":     {change(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<31) }), errCorrupt},
		"negative base":       {change(func(b []byte) { b[0] = 0x80 }), errCorrupt},
		"offset overflow":     {change(func(b []byte) { binary.BigEndian.PutUint64(b, 1<<63-1) }), errCorrupt},
		"negative delta":      {change(func(b []byte) { b[23] = 0x80 }), errCorrupt},
		"codec 5":             {change(func(b []byte) { b[22] = 5 }), errCorrupt},
		"too many records":    {change(func(b []byte) { binary.BigEndian.PutUint32(b[57:], 1<<30) }), errCorrupt},
		"too few records":     {change(func(b []byte) { binary.BigEndian.PutUint32(b[57:], 1) }), errCorrupt},
		"delta after last":    {change(func(b []byte) { binary.BigEndian.PutUint32(b[23:], 0) }), errCorrupt},
		"record length":       {change(func(b []byte) { b[61] = 0x7e }), errCorrupt},
		"not gzip":            {change(func(b []byte) { b[22] = codecGzip }), errCorrupt},
		"not snappy":          {change(func(b []byte) { b[22] = codecSnappy }), errCorrupt},
		"not lz4":             {change(func(b []byte) { b[22] = codecLZ4 }), errCorrupt},
		"not zstd":            {change(func(b []byte) { b[22] = codecZstd }), errCorrupt},
		"gzip bomb":           {bomb(t, "gzip", zeros), errTooLarge},
		"snappy bomb":         {bomb(t, "snappy", zeros), errTooLarge},
		"xerial bomb":         {bomb(t, "xerial", zeros), errTooLarge},
		"lz4 bomb":            {bomb(t, "lz4", zeros), errTooLarge},
		"zstd bomb":           {bomb(t, "zstd", zeros), errTooLarge},
		"plain, but large":    {batchOf(batchSpec{base: 7, packed: zeros}), errTooLarge},
		"snappy length a lie": {batchOf(batchSpec{base: 7, attributes: codecSnappy, packed: []byte{0xff, 0xff, 0x1f, 0}}), errCorrupt},
		"xerial cut off":      {batchOf(batchSpec{base: 7, attributes: codecSnappy, packed: []byte(xerialMagic + "12345678\x00\x00")}), errCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			before := batchOf(batchSpec{base: 5, records: recordsAt(5, "x", "y")})
			k := &chunk{next: 5}
			_, err := testDecoder().decode(k, append(before, tc.set...), nil)
			if !errors.Is(err, tc.want) {
				t.Fatalf("got error %v, want %v", err, tc.want)
			}
			if k.next != 7 || len(k.records) != 2 {
				t.Fatalf("what came before is lost: next %d, %d records", k.next, len(k.records))
			}
		})
	}
}

func bomb(t testing.TB, codec string, plain []byte) []byte {
	attributes, packed := pack(t, codec, plain)
	return batchOf(batchSpec{attributes: attributes, packed: packed, base: 7})
}

func TestDecodeCutOff(t *testing.T) {
	first, second := batchOf(batchSpec{base: 0, records: recordsAt(0, "a")}), batchOf(batchSpec{base: 1, records: recordsAt(1, "b")})
	set := append(first, second...)
	for n := range len(set) {
		k := &chunk{}
		need, err := testDecoder().decode(k, set[:n], nil)
		wantNext, wantNeed := int64(0), 0
		if n >= len(first) {
			wantNext = 1
		}
		if rest := n % len(first); n < len(set) && rest > lengthEnd {
			wantNeed = len(first)
		}
		if err != nil || k.next != wantNext || need != wantNeed {
			t.Fatalf("%d bytes: next %d, need %d, error %v", n, k.next, need, err)
		}
	}
}

// One small response must not unpack to any amount: the rest is fetched again.
func TestDecodeStopsWhenFull(t *testing.T) {
	var set []byte
	for i := range int64(20) {
		set = append(set, packedBatch(t, "zstd", i, recordsAt(i, strings.Repeat("z", 900<<10)))...)
	}
	k := &chunk{}
	if _, err := testDecoder().decode(k, set, nil); err != nil || k.next != 5 || len(k.records) != 5 {
		t.Fatalf("next %d, %d records, error %v", k.next, len(k.records), err)
	}
	k = &chunk{next: k.next}
	if _, err := testDecoder().decode(k, set, nil); err != nil || k.next != 10 {
		t.Fatalf("next %d, error %v", k.next, err)
	}
}

func TestDecodeLogAppendTime(t *testing.T) {
	set := batchOf(batchSpec{attributes: logAppendTime, timestamp: 77, records: recordsAt(0, "a", "b")})
	k := &chunk{}
	if _, err := testDecoder().decode(k, set, nil); err != nil || k.records[0].Timestamp != 77 || k.records[1].Timestamp != 77 {
		t.Fatalf("%v %v", rows(k.records), err)
	}
}

// Transactions of two producers interleave; only one is aborted, and its next
// one is not. A gap at the end, as compaction leaves it, is skipped.
func TestDecodeAborted(t *testing.T) {
	batch := func(base, producer int64, value string) []byte {
		return batchOf(batchSpec{base: base, producer: producer, attributes: transactional, records: recordsAt(base, value)})
	}
	marker := func(base, producer int64, kind byte) []byte {
		return batchOf(batchSpec{base: base, producer: producer, attributes: transactional | controlBatch, records: []schemas.Record{{Offset: base, Key: []byte{0, 0, 0, kind}, Value: []byte{0, 0}}}})
	}
	set := bytes.Join([][]byte{
		batch(0, 1, "gone"), batch(1, 2, "kept"), batch(2, 1, "gone too"), marker(3, 1, 0), batch(4, 1, "again"), marker(5, 2, 1), marker(6, 1, 1),
		batchOf(batchSpec{base: 7, producer: 1, records: recordsAt(7, "plain"), lastDelta: 5}),
	}, nil)
	for _, from := range []int64{0, 2} {
		k := &chunk{next: from}
		if _, err := testDecoder().decode(k, set, []abortedTransaction{{producer: 1, first: 0}}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range k.records {
			got = append(got, string(r.Value))
		}
		want := map[int64]string{0: "kept again plain", 2: "again plain"}[from]
		if join(got) != want || k.next != 13 {
			t.Fatalf("from %d: %v, next %d, want %s", from, got, k.next, want)
		}
	}
}

// A record costs memory however few bytes it has: a batch of many is decoded in
// parts, and every record is there once.
func TestDecodeManyEmptyRecords(t *testing.T) {
	const n = 130_000
	records := make([]schemas.Record, n)
	for i := range records {
		records[i].Offset = 7 + int64(i)
	}
	set := append(packedBatch(t, "zstd", 7, records), batchOf(batchSpec{base: 7 + n, records: recordsAt(7+n, "behind")})...)
	d := &batchDecoder{codecs: newCodecs(), maxBatch: 2 << 20, maxTotal: 1 << 20}
	if _, err := d.decode(&chunk{}, set, nil); err != nil { // the decompressor makes its tables
		t.Fatal(err)
	}
	next, parts := int64(7), 0
	for ; next < 8+n; parts++ {
		k := &chunk{next: next, epoch: -1}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := d.decode(k, set, nil); err != nil || len(k.records) == 0 {
			t.Fatalf("%d records from %d, error %v", len(k.records), next, err)
		}
		runtime.ReadMemStats(&after)
		// The plain batch, and the records with what growing cost: all of them
		// would be 11 MB.
		if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
			t.Errorf("%d bytes allocated for %d records", got, len(k.records))
		}
		for _, r := range k.records {
			if r.Offset != next {
				t.Fatalf("offset %d, want %d", r.Offset, next)
			}
			next++
		}
		if k.next != next || k.epoch != 0 {
			t.Fatalf("next %d in leader epoch %d, want %d in 0", k.next, k.epoch, next)
		}
	}
	if parts < 5 {
		t.Errorf("%d parts", parts)
	}

	// The same in many small batches.
	set = nil
	for base := int64(0); base < 60_000; base += 1000 {
		for i := range records[:1000] {
			records[i].Offset = base + int64(i)
		}
		set = append(set, batchOf(batchSpec{base: base, records: records[:1000]})...)
	}
	k := &chunk{}
	if _, err := d.decode(k, set, nil); err != nil || len(k.records) != 12_000 || k.next != 12_000 {
		t.Errorf("%d records of small batches, next %d, error %v", len(k.records), k.next, err)
	}
}

// Whatever a batch costs, a record costs nothing more.
func TestDecodeDoesNotAllocate(t *testing.T) {
	var records []schemas.Record
	for i := range int64(5000) {
		records = append(records, schemas.Record{Offset: i, Key: []byte("key"), Value: fmt.Appendf(nil, `{"id":%d}`, i)})
	}
	d := testDecoder()
	for _, codec := range []string{"snappy", "zstd", "lz4", "gzip"} {
		set := packedBatch(t, codec, 0, records)
		k := &chunk{}
		run := func() {
			k.records, k.plain, k.next = k.records[:0], k.plain[:0], 0
			if _, err := d.decode(k, set, nil); err != nil || len(k.records) != len(records) {
				t.Fatal(err, len(k.records))
			}
		}
		run()
		// Under the race detector pools drop at random, and a decompressor is
		// made anew with its tables.
		if n := testing.AllocsPerRun(20, run); n > float64(len(records)/10) {
			t.Errorf("%s: %.0f allocations for %d records", codec, n, len(records))
		}
	}
}

// Frames with linked blocks, block checksums, a content size, bytes that do
// not compress, and several in a row; all as the library reads them.
func TestLZ4Frames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200<<10)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	plain := append(bytes.Repeat([]byte("some text that repeats itself, "), 20_000), noise...)
	for name, options := range map[string][]lz4.Option{
		"64K":          {lz4.BlockSizeOption(lz4.Block64Kb)},
		"4M":           {lz4.BlockSizeOption(lz4.Block4Mb)},
		"checksums":    {lz4.BlockChecksumOption(true), lz4.ChecksumOption(true)},
		"no checksum":  {lz4.ChecksumOption(false)},
		"content size": {lz4.SizeOption(uint64(len(plain)))},
		"high, 256K":   {lz4.CompressionLevelOption(lz4.Level5), lz4.BlockSizeOption(lz4.Block256Kb)},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w := lz4.NewWriter(&b)
			if err := w.Apply(options...); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(plain); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			once := bytes.Clone(b.Bytes())
			got, err := unlz4(append(once, once...), nil, 2*len(plain))
			if err != nil || !bytes.Equal(got, append(bytes.Clone(plain), plain...)) {
				t.Fatalf("%d bytes, error %v", len(got), err)
			}
			if _, err := unlz4(once, nil, len(plain)-1); !errors.Is(err, errTooLarge) {
				t.Fatalf("over the limit: %v", err)
			}
		})
	}
}

func FuzzRecordBatch(f *testing.F) {
	records := recordsAt(3, "one", "two", strings.Repeat("three", 50))
	f.Add(batchOf(batchSpec{base: 3, records: records}), int64(3), true)
	f.Add(batchOf(batchSpec{base: 3, records: records, attributes: transactional | controlBatch, producer: 9}), int64(0), false)
	for _, codec := range []string{"gzip", "snappy", "xerial", "lz4", "zstd"} {
		f.Add(packedBatch(f, codec, 3, records), int64(4), true)
	}
	d := testDecoder()
	f.Fuzz(func(t *testing.T, set []byte, from int64, seal bool) {
		if from < 0 {
			return
		}
		set = bytes.Clone(set)
		if seal && len(set) >= batchHeader { // most mutations must get past the checksum
			n := lengthEnd + int(int32(binary.BigEndian.Uint32(set[8:])))
			if n >= batchHeader && n <= len(set) {
				binary.BigEndian.PutUint32(set[17:], crc32.Checksum(set[21:n], castagnoli))
			}
		}
		k := &chunk{next: from}
		_, err := d.decode(k, set, []abortedTransaction{{producer: 9, first: 3}})
		if k.next < from {
			t.Fatalf("went back from %d to %d", from, k.next)
		}
		last := from - 1
		for _, r := range k.records {
			if r.Offset <= last || r.Offset >= k.next || len(r.Headers) == 0 {
				t.Fatalf("record at %d after %d, next %d, %d bytes of headers", r.Offset, last, k.next, len(r.Headers))
			}
			last = r.Offset
		}
		again := &chunk{next: from}
		if _, err2 := d.decode(again, set, []abortedTransaction{{producer: 9, first: 3}}); (err == nil) != (err2 == nil) || !cmp.Equal(rows(k.records), rows(again.records)) {
			t.Fatalf("a second decoding differs: %v, %v", err, err2)
		}
	})
}

func FuzzFetchResponse(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"+strings.Repeat("\x00", 24)+"\x00\x00\x00\x01"+strings.Repeat("\x01", 16)+"\xff\xff\xff\xff\x00\x00\x00\x02ab"), int16(fetchByName))
	f.Add([]byte(strings.Repeat("\x00", 11)+"\x02"+strings.Repeat("\x07", 16)+"\x02\x00\x00\x00\x00\x00\x00"+strings.Repeat("\x00", 24)+
		"\x02"+strings.Repeat("\x01", 16)+"\x00\xff\xff\xff\xff\x03ab\x01\x00\x0d"+strings.Repeat("\x02", 12)+"\x00\x00\x00"), int16(fetchByID))
	f.Fuzz(func(t *testing.T, b []byte, version int16) {
		q := fetchQuery{topic: "t", id: schemas.ID(bytes.Repeat([]byte{7}, 16)), version: version}
		r, err := parseFetchResponse(b, q)
		if err == nil && len(r.records)+16*len(r.aborted) > len(b) {
			t.Fatalf("more came out than went in: %d records bytes, %d aborted", len(r.records), len(r.aborted))
		}
		if ids, err := parseTopicIDs(b); err == nil && len(ids) > len(b) {
			t.Fatalf("%d topics in %d bytes", len(ids), len(b))
		}
	})
}
