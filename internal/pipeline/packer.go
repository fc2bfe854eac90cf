package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// Packers bounds how many lanes of a worker save their states at the same
// time. Compression takes ten times as long as the pause of the lane itself:
// were all lanes to compress together, each pause would wait for them.
type Packers struct {
	free chan *packer
}

// packer is a turn to save a snapshot, with the memory that it takes.
type packer struct {
	state, packed []byte
	enc           *zstd.Encoder
}

// NewPackers lets half of the processors, at least one, be busy with snapshots.
func NewPackers(processors int) *Packers {
	p := &Packers{free: make(chan *packer, max(1, processors/2))}
	for range cap(p.free) {
		p.free <- &packer{}
	}
	return p
}

// tryTake gives nil if there is no turn now.
func (p *Packers) tryTake() *packer {
	select {
	case k := <-p.free:
		return k
	default:
		return nil
	}
}

func (p *Packers) take(ctx context.Context) (*packer, error) {
	select {
	case k := <-p.free:
		return k, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *Packers) give(k *packer) { p.free <- k }

// Stored form of a snapshot: 4 bytes "SPS1", 8 bytes xxh3-64 of what follows
// (big-endian), then the transform's snapshot compressed with zstd.
const packMagic = "SPS1"

// pack compresses the state; the result is valid until the turn is over.
func (k *packer) pack() []byte {
	if k.enc == nil {
		var err error
		if k.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)); err != nil {
			panic("BUG: zstd: " + err.Error())
		}
	}
	if need := 12 + len(k.state)/2; cap(k.packed) < need { // hashes do not get smaller
		k.packed = make([]byte, 0, need)
	}
	out := k.enc.EncodeAll(k.state, append(k.packed[:0], make([]byte, 12)...))
	copy(out, packMagic)
	binary.BigEndian.PutUint64(out[4:], xxh3.Hash(out[12:]))
	k.packed = out
	return out
}

// maxSnapshot bounds a state, maxWindow what the decoder sets aside before it
// has decoded anything: twice the window that pack uses.
const (
	maxSnapshot = 4 << 30
	maxWindow   = 8 << 20
)

// unpack takes no length in the body at its word: the memory grows with what
// was really decoded, up to limit.
func unpack(body []byte, limit int64) ([]byte, error) {
	if len(body) < 12 || string(body[:4]) != packMagic {
		return nil, errors.New("not a snapshot of this program")
	}
	if binary.BigEndian.Uint64(body[4:]) != xxh3.Hash(body[12:]) {
		return nil, errors.New("checksum differs")
	}
	dec, err := zstd.NewReader(bytes.NewReader(body[12:]), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer dec.Close()
	state := bytes.NewBuffer(make([]byte, 0, min(3*int64(len(body)), limit+1))) // most states need no more
	if _, err := state.ReadFrom(io.LimitReader(dec, limit+1)); err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	if int64(state.Len()) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return state.Bytes(), nil
}
