package chhttp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
)

func frames(t testing.TB, method compress.Method, parts ...[]byte) (packed []byte, ends map[int]bool) {
	t.Helper()
	w := compress.NewWriter(0, method)
	ends = map[int]bool{0: true}
	for _, p := range parts {
		if err := w.Compress(p); err != nil {
			t.Fatal(err)
		}
		packed = append(packed, w.Data...)
		ends[len(packed)] = true
	}
	return packed, ends
}

func TestFramesCutAnywhere(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, seed))
	for _, method := range []compress.Method{compress.None, compress.LZ4, compress.ZSTD} {
		var parts [][]byte
		for range 3 {
			p := make([]byte, 1+rng.IntN(300))
			for i := range p {
				p[i] = byte(rng.IntN(4))
			}
			parts = append(parts, p)
		}
		packed, ends := frames(t, method, parts...)
		for n := range len(packed) + 1 {
			_, err := io.ReadAll(newFrameReader(bytes.NewReader(packed[:n])))
			if whole := err == nil; whole != ends[n] {
				t.Fatalf("seed %d, method %v: cut at %d of %d: error %v", seed, method, n, len(packed), err)
			}
			if err != nil && errors.Is(err, io.EOF) {
				t.Fatalf("cut at %d passes for a body's end: %v", n, err)
			}
		}
		got, err := io.ReadAll(newFrameReader(bytes.NewReader(packed)))
		if err != nil || !bytes.Equal(got, bytes.Join(parts, nil)) {
			t.Fatalf("method %v: got %d bytes, error %v", method, len(got), err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	packed, _ := frames(f, compress.LZ4, []byte("one"), bytes.Repeat([]byte("two"), 100))
	f.Add(packed)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = io.Copy(io.Discard, io.LimitReader(newFrameReader(bytes.NewReader(b)), 1<<20))
	})
}
