package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// correlation is the number of every request: there is one at a time on a
// connection.
const correlation = 1

// exchange writes a request, whose size it sets in the first four bytes, and
// reads the response: buf holds it, body begins behind its correlation id.
func exchange(rw io.ReadWriter, request, into []byte) (buf, body []byte, err error) {
	binary.BigEndian.PutUint32(request, uint32(len(request)-4))
	if _, err := rw.Write(request); err != nil {
		return nil, nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, nil, err
	}
	n := int64(int32(binary.BigEndian.Uint32(size[:])))
	if n < 4 || n > maxResponseBytes {
		return nil, nil, fmt.Errorf("response of %d bytes: outside 4 to %d", n, maxResponseBytes)
	}
	if buf, err = readBody(rw, into, int(n)); err != nil {
		return nil, nil, err
	}
	if got := binary.BigEndian.Uint32(buf); got != correlation {
		return nil, nil, fmt.Errorf("response with correlation id %d, want %d", got, correlation)
	}
	return buf, buf[4:], nil
}

// requestHead begins a request: its size is set by exchange, and the flexible
// encoding has tagged fields behind the client's name.
func requestHead(b []byte, key, version int16, flexible bool) []byte {
	be := binary.BigEndian
	b = append(b, 0, 0, 0, 0)
	b = be.AppendUint16(b, uint16(key))
	b = be.AppendUint16(b, uint16(version))
	b = be.AppendUint32(b, correlation)
	b = be.AppendUint16(b, uint16(len(clientID)))
	b = append(b, clientID...)
	if flexible {
		b = append(b, 0)
	}
	return b
}

// readBody reads n bytes into buf, growing it only as bytes arrive.
func readBody(r io.Reader, buf []byte, n int) ([]byte, error) {
	const step = 4 << 20
	if cap(buf) < n && n <= step {
		buf = make([]byte, n+n/8)
	}
	buf = buf[:min(cap(buf), n)]
	read := 0
	for {
		k, err := io.ReadFull(r, buf[read:])
		read += k
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if read == n {
			return buf, nil
		}
		grown := make([]byte, min(n, max(2*read, step)))
		copy(grown, buf)
		buf = grown
	}
}
