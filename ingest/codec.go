package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codecs by their number in a batch's attributes.
const (
	codecGzip   = 1
	codecSnappy = 2
	codecLZ4    = 3
	codecZstd   = 4
)

// codecs holds decompressors for reuse: each owns large buffers.
type codecs struct {
	zstd func() (*zstd.Decoder, error)
	gzip sync.Pool
}

func newCodecs() *codecs {
	return &codecs{zstd: sync.OnceValues(func() (*zstd.Decoder, error) {
		// One for all lanes: it may be used concurrently, as far as there are cores.
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBatchBytes), zstd.WithDecodeAllCapLimit(false))
	})}
}

// decompress appends the plain bytes to dst and returns what it appended,
// which lies in dst's capacity if that was enough. More than limit is an error.
func (c *codecs) decompress(codec uint16, src, dst []byte, limit int) ([]byte, error) {
	switch codec {
	case codecGzip:
		return c.unzip(src, dst, limit)
	case codecSnappy:
		return unsnap(src, dst, limit)
	case codecLZ4:
		return unlz4(src, dst, limit)
	case codecZstd:
		z, err := c.zstd()
		if err != nil {
			return nil, err
		}
		out, err := z.DecodeAll(src, dst)
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || len(out) > limit {
			return nil, fmt.Errorf("%w: zstd, more than %d bytes", errTooLarge, limit)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: zstd: %w", errCorrupt, err)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%w: codec %d is not known", errCorrupt, codec)
}

func (c *codecs) unzip(src, dst []byte, limit int) ([]byte, error) {
	z, _ := c.gzip.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	defer c.gzip.Put(z)
	if err := z.Reset(bytes.NewReader(src)); err != nil {
		return nil, fmt.Errorf("%w: gzip: %w", errCorrupt, err)
	}
	return readAll("gzip", z, dst, limit)
}

// readAll reads r to its end into dst, which it doubles when full.
func readAll(name string, r io.Reader, dst []byte, limit int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			grown := make([]byte, len(dst), max(2*cap(dst), 64<<10))
			copy(grown, dst)
			dst = grown
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst) > limit {
			return nil, fmt.Errorf("%w: %s, more than %d bytes", errTooLarge, name, limit)
		}
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errCorrupt, name, err)
		}
	}
}

// xerialMagic begins the framing that Java producers put around snappy blocks.
const xerialMagic = "\x82SNAPPY\x00"

// unsnap reads both forms in use: Java's framing, and a bare block.
func unsnap(src, dst []byte, limit int) ([]byte, error) {
	if len(src) < 16 || string(src[:8]) != xerialMagic {
		return snapBlock(src, dst, limit)
	}
	src = src[16:] // magic, version, lowest compatible version
	for len(src) > 0 {
		if len(src) < 4 {
			return nil, fmt.Errorf("%w: snappy frame ends early", errCorrupt)
		}
		n := int64(binary.BigEndian.Uint32(src))
		src = src[4:]
		if n > int64(len(src)) {
			return nil, fmt.Errorf("%w: snappy frame ends early", errCorrupt)
		}
		var err error
		if dst, err = snapBlock(src[:n], dst, limit); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return dst, nil
}

func snapBlock(src, dst []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return nil, fmt.Errorf("%w: snappy: %w", errCorrupt, err)
	}
	// A snappy element of 3 bytes copies at most 64: a block that claims more
	// than that is lying, and must not be allowed to allocate.
	if n > limit-len(dst) || n > 64*len(src) {
		if n <= 64*len(src) {
			return nil, fmt.Errorf("%w: snappy, more than %d bytes", errTooLarge, limit)
		}
		return nil, fmt.Errorf("%w: snappy: %d bytes cannot hold %d", errCorrupt, len(src), n)
	}
	at := len(dst)
	dst = reserve(dst, n)
	if _, err := s2.Decode(dst[at:at+n], src); err != nil {
		return nil, fmt.Errorf("%w: snappy: %w", errCorrupt, err)
	}
	return dst[:at+n], nil
}

// reserve makes room for n more bytes.
func reserve(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	grown := make([]byte, len(dst), max(len(dst)+n, 2*cap(dst), 64<<10))
	copy(grown, dst)
	return grown
}
