package ingest

import (
	"encoding/binary"
	"fmt"

	"github.com/pierrec/lz4/v4"
)

// An LZ4 frame: magic (u32), flags and block size (a byte each), content size
// (u64, if flagged), header checksum (a byte), then blocks of a length (u32,
// its top bit for bytes that are not compressed), the bytes and a checksum (if
// flagged), until a length of 0; a checksum of the content may follow.
//
// The library's reader would copy every block once more and check sums that
// the batch's own makes superfluous.
const (
	lz4Magic         = 0x184d2204
	lz4Version       = 0x40
	lz4VersionMask   = 0xc0
	lz4Independent   = 0x20
	lz4BlockChecksum = 0x10
	lz4ContentSize   = 0x08
	lz4Dictionary    = 0x01
	lz4Plain         = 1 << 31
	lz4Window        = 64 << 10
)

// unlz4 appends the content of all frames in src to dst.
func unlz4(src, dst []byte, limit int) ([]byte, error) {
	bad := func(what string) ([]byte, error) { return nil, fmt.Errorf("%w: lz4: %s", errCorrupt, what) }
	start := len(dst)
	for len(src) > 0 {
		if len(src) < 7 || binary.LittleEndian.Uint32(src) != lz4Magic {
			return bad("no frame")
		}
		flags, size := src[4], int(src[5]>>4&7)
		if flags&lz4VersionMask != lz4Version || flags&lz4Dictionary != 0 || size < 4 {
			return bad("unknown frame")
		}
		head := 7
		if flags&lz4ContentSize != 0 {
			head += 8
		}
		if len(src) < head {
			return bad("frame ends early")
		}
		src = src[head:]
		frame := len(dst)
		for {
			if len(src) < 4 {
				return bad("frame ends early")
			}
			n := binary.LittleEndian.Uint32(src)
			src = src[4:]
			if n == 0 {
				break
			}
			length, tail := int(n&^lz4Plain), 0
			if flags&lz4BlockChecksum != 0 {
				tail = 4
			}
			if length > len(src)-tail {
				return bad("block ends early")
			}
			block := src[:length]
			src = src[length+tail:]
			var err error
			if n&lz4Plain != 0 {
				dst = append(dst, block...)
			} else if dst, err = lz4Block(block, dst, frame, 256<<(2*(size-4)+8), flags&lz4Independent == 0); err != nil {
				return nil, err
			}
			if len(dst)-start > limit {
				return nil, fmt.Errorf("%w: lz4, more than %d bytes", errTooLarge, limit)
			}
		}
		if flags&0x04 != 0 { // content checksum
			if len(src) < 4 {
				return bad("frame ends early")
			}
			src = src[4:]
		}
	}
	return dst, nil
}

// lz4Block appends one block of at most size bytes of content.
func lz4Block(block, dst []byte, frame, size int, linked bool) ([]byte, error) {
	// A byte of input stands for at most 255 of output: a small block gets no
	// room for a large one, whatever the frame says.
	dst = reserve(dst, min(size, 255*len(block)+64))
	at := len(dst)
	room := dst[at:min(cap(dst), at+size)]
	var (
		n   int
		err error
	)
	if linked {
		n, err = lz4.UncompressBlockWithDict(block, room, dst[max(frame, at-lz4Window):at])
	} else {
		n, err = lz4.UncompressBlock(block, room)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: lz4: %w", errCorrupt, err)
	}
	return dst[:at+n], nil
}
