package chhttp

import (
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// frameSize is how much of the output goes into one compressed frame.
const frameSize = 1 << 20

// output packs a response as the client asked for. Headers leave with the
// first byte, so an error before that still has a status of its own.
type output struct {
	w      http.ResponseWriter
	req    *request
	accept string

	begun  bool
	to     io.Writer
	closer io.Closer
	frames *compress.Writer
}

func (o *output) begin() {
	o.begun, o.to = true, o.w
	if o.req.compress {
		method := compress.LZ4
		if strings.EqualFold(o.req.method, "ZSTD") {
			method = compress.ZSTD
		}
		o.frames = compress.NewWriter(0, method)
		return
	}
	for _, enc := range strings.Split(o.accept, ",") {
		enc, _, _ = strings.Cut(strings.TrimSpace(enc), ";")
		switch enc {
		case "gzip":
			o.closer = gzip.NewWriter(o.w)
		case "deflate":
			o.closer = zlib.NewWriter(o.w)
		case "br":
			o.closer = brotli.NewWriterLevel(o.w, brotli.BestSpeed)
		case "zstd":
			z, err := zstd.NewWriter(o.w, zstd.WithEncoderConcurrency(1))
			if err != nil {
				continue
			}
			o.closer = z
		case "lz4":
			o.closer = lz4.NewWriter(o.w)
		default:
			continue
		}
		o.to = o.closer.(io.Writer)
		o.w.Header().Set("Content-Encoding", enc)
		return
	}
}

func (o *output) write(p []byte) error {
	if !o.begun {
		o.begin()
	}
	if o.frames == nil {
		_, err := o.to.Write(p)
		return err
	}
	for len(p) > 0 {
		n := min(len(p), frameSize)
		if err := o.frames.Compress(p[:n]); err != nil {
			return err
		}
		if _, err := o.w.Write(o.frames.Data); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (o *output) close() error {
	if o.closer != nil {
		return o.closer.Close()
	}
	return nil
}
