package pipeline

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// stored puts the head of a snapshot before what need not be zstd.
func stored(packed []byte) []byte {
	out := binary.BigEndian.AppendUint64([]byte(packMagic), xxh3.Hash(packed))
	return append(out, packed...)
}

// TestUnpackBelievesNoLength: a few bytes whose frame claims gigabytes, as its
// content or as its window, are refused before anything of the kind is allocated.
func TestUnpackBelievesNoLength(t *testing.T) {
	const frame = "\x28\xb5\x2f\xfd"
	for name, packed := range map[string]string{
		"content":        frame + "\x80\x50" + "\x00\x00\x00\xc0" + "\x03\x00\x00x",                     // window 1 MiB, 3 GiB of content, one block
		"single segment": frame + "\xe0" + "\x00\x00\x00\xc0\x00\x00\x00\x00" + "\x03\x00\x00x",         // 3 GiB at once
		"window":         frame + "\x00\xa8" + "\x03\x00\x00x",                                          // window 2 GiB
		"both":           frame + "\xc0\xa0" + "\x00\x00\x00\x00\x01\x00\x00\x00" + "\x0b\x00\x00x\x01", // and a block that is cut off
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := unpack(stored([]byte(packed)), maxSnapshot)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4*maxWindow {
			t.Errorf("%s: %d bytes allocated for %d", name, n, len(packed))
		}
	}

	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	const limit = 1 << 20
	if _, err := unpack(stored(enc.EncodeAll(make([]byte, limit), nil)), limit); err != nil {
		t.Errorf("as much as allowed: %v", err)
	}
	if _, err := unpack(stored(enc.EncodeAll(make([]byte, limit+1), nil)), limit); err == nil {
		t.Error("a byte more than allowed is accepted")
	}
}

// FuzzUnpack: whatever the store gives back, it is a state or an error, and
// what is a state can be stored again. Every second input gets a checksum that
// is right, or none would reach the decoder.
func FuzzUnpack(f *testing.F) {
	sample, err := os.ReadFile(filepath.Join("..", "..", "transform", "testdata", "snapshot-1.bin"))
	if err != nil {
		f.Fatal(err)
	}
	for _, state := range [][]byte{nil, sample, bytes.Repeat(sample, 40)} {
		k := &packer{state: state}
		f.Add(bytes.Clone(k.pack()), true)
	}
	f.Add([]byte(packMagic), false)
	f.Add(stored([]byte("\x28\xb5\x2f\xfd\x80\x50\x00\x00\x00\xc0\x03\x00\x00x")), true)
	const limit = 4 << 20
	k := &packer{}
	f.Fuzz(func(t *testing.T, body []byte, seal bool) {
		if seal && len(body) >= 12 {
			body = stored(body[12:])
		}
		state, err := unpack(body, limit)
		if err != nil {
			return
		}
		if len(state) > limit {
			t.Fatalf("%d bytes of state, at most %d are allowed", len(state), limit)
		}
		k.state = state
		again, err := unpack(k.pack(), limit)
		if err != nil || !bytes.Equal(again, state) {
			t.Fatalf("a state of %d bytes was stored again and comes back as %d: %v", len(state), len(again), err)
		}
	})
}
