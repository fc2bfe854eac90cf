package chhttp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxFrame bounds one compressed frame before memory is taken for it.
const maxFrame = 256 << 20

// decode unpacks a request's body. The reader ends with io.EOF only where the
// body ends; a body that was cut short is an error.
func decode(r *http.Request, frames bool) (io.Reader, error) {
	var body io.Reader = r.Body
	var err error
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	case "br":
		body = brotli.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
	case "lz4":
		body = lz4.NewReader(body)
	default:
		return nil, fmt.Errorf("content encoding %q is not known", enc)
	}
	if err != nil {
		return nil, fmt.Errorf("unpack the body: %w", err)
	}
	if frames {
		body = newFrameReader(body)
	}
	return body, nil
}

// arriving bounds the wait for each piece of a request's body. The bound ends
// with the body: net/http goes on reading, for the client's leaving, and what it
// takes for that ends the context of this request and of all that follow on the
// connection.
type arriving struct {
	io.ReadCloser
	conn   *http.ResponseController
	within time.Duration
}

func (a *arriving) Read(p []byte) (int, error) {
	_ = a.conn.SetReadDeadline(time.Now().Add(a.within))
	n, err := a.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = a.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// frameReader unpacks ClickHouse's own compressed frames. It exists because
// the client library's reader cannot tell a body that ended between two frames
// from one that was cut inside a frame, and a cut insert must not be applied.
type frameReader struct {
	src   *bufio.Reader
	frame []byte // what is left to unpack: exactly one frame
	unzip *compress.Reader
	left  int // unpacked bytes still to come from this frame
}

const (
	frameHeader = 16 + 1 + 4 + 4 // checksum, method, packed size, unpacked size
	frameCounts = 1 + 4 + 4      // part of the header that the packed size includes
)

func newFrameReader(src io.Reader) *frameReader {
	f := &frameReader{src: bufio.NewReaderSize(src, 1<<16)}
	f.unzip = compress.NewReader((*frameSource)(f))
	return f
}

// frameSource feeds the current frame to the unpacker.
type frameSource frameReader

func (f *frameSource) Read(p []byte) (int, error) {
	if len(f.frame) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, f.frame)
	f.frame = f.frame[n:]
	return n, nil
}

func (f *frameReader) Read(p []byte) (int, error) {
	for f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(p) > f.left {
		p = p[:f.left]
	}
	n, err := f.unzip.Read(p)
	f.left -= n
	if err != nil {
		return n, fmt.Errorf("unpack a compressed frame: %v", err)
	}
	return n, nil
}

func (f *frameReader) next() error {
	var header [frameHeader]byte
	if _, err := io.ReadFull(f.src, header[:]); err != nil {
		return err // io.EOF here, and only here, is the body's end
	}
	packed, unpacked := binary.LittleEndian.Uint32(header[17:]), binary.LittleEndian.Uint32(header[21:])
	if packed < frameCounts || packed > maxFrame || unpacked > maxFrame {
		return fmt.Errorf("compressed frame of %d bytes for %d: out of bounds", packed, unpacked)
	}
	body := make([]byte, frameHeader, frameHeader+min(int(packed), 1<<20))
	copy(body, header[:])
	want := int64(packed - frameCounts)
	w := appender{body}
	if n, err := io.CopyN(&w, f.src, want); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("compressed frame cut after %d of %d bytes: %w", n, want, err)
	}
	f.frame, f.left = w.b, int(unpacked)
	return nil
}

type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
