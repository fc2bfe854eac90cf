package imports

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// source is a file or standard input, unpacked if it is gzip, that knows how
// far it has been read.
type source struct {
	io.Reader
	file  *os.File
	unzip *gzip.Reader
	read  atomic.Int64 // bytes of the file as stored
	total int64        // 0 = not known
}

func openSource(path string) (*source, error) {
	s := &source{file: os.Stdin}
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open input: %w", err)
		}
		s.file = f
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			s.total = info.Size()
		}
	}
	if err := s.unpack(s.file); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open input %s: %w", path, err)
	}
	return s, nil
}

// unpack recognizes gzip by its magic, whatever the file is called.
func (s *source) unpack(in io.Reader) error {
	b := bufio.NewReaderSize(countingReader{in, &s.read}, 1<<16)
	s.Reader = b
	magic, err := b.Peek(2)
	if err != nil && err != io.EOF {
		return err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return nil
	}
	if s.unzip, err = gzip.NewReader(b); err != nil {
		return err
	}
	s.Reader = s.unzip
	return nil
}

// Close leaves standard input open.
func (s *source) Close() error {
	if s.file == nil || s.file == os.Stdin {
		return nil
	}
	return s.file.Close()
}

type countingReader struct {
	in io.Reader
	n  *atomic.Int64
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}
