package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
)

// maxRows bounds one insert: max_insert_block_size is pinned to it, and one
// token covers one block.
const maxRows = schemas.MaxRows

// buffer is what one insert needs in memory; it is reused.
type buffer struct {
	block  []byte
	frames []byte
	lz4    *compress.Writer
}

func newBuffer() *buffer { return &buffer{lz4: compress.NewWriter(compress.LevelZero, compress.LZ4)} }

// frame compresses the block into ClickHouse's own frames.
func (b *buffer) frame() error {
	const size = 1 << 20 // what the server's own client writes
	b.frames = b.frames[:0]
	for at := 0; at < len(b.block); at += size {
		if err := b.lz4.Compress(b.block[at:min(at+size, len(b.block))]); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
		b.frames = append(b.frames, b.lz4.Data...)
	}
	return nil
}

// Insert writes rows of rec into a fact table as one block; rows nil means all
// of them. epoch_row is the row's number in rec, or stamp.Numbers of it. The
// error is sink.ErrFenced, sink.ErrNotApplied, sink.ErrUnknown or sink.ErrBug
// (wrapped), or a *sink.RefusedError.
func (c *Client) Insert(ctx context.Context, queryID, token string, stamp schemas.Stamp, table schemas.TableID, rec arrow.Record, rows []uint32) error {
	l := c.layouts[table]
	return c.send(ctx, queryID, token, l.table.Name, l.table.Name, l.columns, func(dst []byte) ([]byte, int, error) {
		dst, err := l.encode(dst, stamp, rec, rows)
		return dst, count(rec, rows), err
	})
}

// Probe sends the same rows to the table's twin, which checks and keeps
// nothing: nil, or a *sink.RefusedError (or a failure of the transport).
func (c *Client) Probe(ctx context.Context, table schemas.TableID, rec arrow.Record, rows []uint32) error {
	l := c.layouts[table]
	return c.send(ctx, "", "", "", l.table.Name+"_probe", l.columns, func(dst []byte) ([]byte, int, error) {
		dst, err := l.encode(dst, schemas.Stamp{}, rec, rows)
		return dst, count(rec, rows), err
	})
}

// InsertColumns writes a small block into any table, with the same classes of
// error as Insert.
func (c *Client) InsertColumns(ctx context.Context, queryID, token, table string, rows int, cols []Column) error {
	names := make([]string, len(cols))
	for i, col := range cols {
		names[i] = quote(col.Name)
	}
	return c.send(ctx, queryID, token, table, table, strings.Join(names, ", "), func(dst []byte) ([]byte, int, error) {
		return appendBlock(dst, rows, cols), rows, nil
	})
}

func count(rec arrow.Record, rows []uint32) int {
	if rows == nil {
		return int(rec.NumRows())
	}
	return len(rows)
}

// send encodes and posts one insert and counts what came of it. label is the
// table of the metrics; a probe has none, its refusals are no failures.
func (c *Client) send(ctx context.Context, queryID, token, label, table, columns string, encode func([]byte) ([]byte, int, error)) error {
	buf := c.buffers.Get().(*buffer)
	defer c.buffers.Put(buf)
	var rows int
	var err error
	if buf.block, rows, err = encode(buf.block[:0]); err != nil {
		return fmt.Errorf("insert into %s: %w: %w", table, sink.ErrBug, err)
	}
	if rows == 0 {
		return nil
	}
	if rows > maxRows {
		return fmt.Errorf("insert into %s: %w: %d rows in one block, at most %d", table, sink.ErrBug, rows, maxRows)
	}
	body := buf.block
	if c.compress {
		if err := buf.frame(); err != nil {
			return fmt.Errorf("insert into %s: %w: %w", table, sink.ErrBug, err)
		}
		body = buf.frames
	}
	began := time.Now()
	cl, err := c.post(ctx, c.insertURL(queryID, token, table, columns), table, body)
	if label == "" {
		return err
	}
	c.metrics.seconds.WithLabelValues(label).Observe(time.Since(began).Seconds())
	if err != nil {
		c.metrics.failures.WithLabelValues(label, classNames[cl]).Inc()
		return err
	}
	c.metrics.rows.WithLabelValues(label).Add(float64(rows))
	c.metrics.bytes.WithLabelValues(label).Add(float64(len(body)))
	return nil
}

// insertURL carries the statement and its settings; the body is data only.
func (c *Client) insertURL(queryID, token, table, columns string) string {
	q := url.Values{
		"database": {c.cfg.Database},
		"query":    {"INSERT INTO " + quote(c.cfg.Database) + "." + quote(table) + " (" + columns + ") FORMAT Native"},
		// The answer comes when the insert is durable, with its error in the status.
		"async_insert": {"0"}, "wait_end_of_query": {"1"},
		// One insert is one block: a token covers one block, not one insert.
		"max_insert_block_size": {strconv.Itoa(maxRows)}, "min_insert_block_size_rows": {"0"}, "min_insert_block_size_bytes": {"0"},
		"max_partitions_per_insert_block": {"0"},
		// Every row as it was sent: recovery looks for row numbers.
		"optimize_on_insert": {"0"},
		"max_execution_time": {seconds(executionTimeout)}, "http_receive_timeout": {seconds(receiveTimeout)},
	}
	if c.compress {
		q.Set("decompress", "1")
	}
	if queryID != "" {
		q.Set("query_id", queryID)
		// An engine behind another HTTP server makes its own query ids; the
		// comment still shows in system.processes.
		q.Set("log_comment", queryID)
	}
	if token == "" {
		q.Set("insert_deduplicate", "0")
	} else {
		q.Set("insert_deduplicate", "1")
		q.Set("insert_deduplication_token", token)
		q.Set("deduplicate_blocks_in_dependent_materialized_views", "1")
	}
	u := *c.base
	u.RawQuery = q.Encode()
	return u.String()
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// post sends a body once and tells what is known of its outcome.
func (c *Client) post(ctx context.Context, target, table string, body []byte) (class, error) {
	sent := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent = true }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return classNotApplied, fmt.Errorf("insert into %s: %w: %w", table, sink.ErrBug, err)
	}
	req.GetBody = nil // never sent twice behind our back
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("X-ClickHouse-User", c.cfg.User)
	if c.password != "" {
		req.Header.Set("X-ClickHouse-Key", c.password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		err = c.redact(bare(err))
		if !sent {
			return classNotApplied, fmt.Errorf("insert into %s: %w: %w", table, sink.ErrNotApplied, err)
		}
		return classUnknown, fmt.Errorf("insert into %s: %w: %w", table, sink.ErrUnknown, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	text := c.hide(strings.ToValidUTF8(string(answer), "?"))
	code, _ := strconv.Atoi(resp.Header.Get("X-ClickHouse-Exception-Code"))
	if code == 0 {
		code = codeOf(text)
	}
	switch {
	case code != 0:
		return outcome(table, code, text)
	case resp.StatusCode != http.StatusOK: // a proxy, or a server that lost its words
		return classUnknown, fmt.Errorf("insert into %s: %w: HTTP status %d: %s", table, sink.ErrUnknown, resp.StatusCode, firstLine(text))
	case err != nil:
		return classUnknown, fmt.Errorf("insert into %s: %w: read the answer: %w", table, sink.ErrUnknown, bare(err))
	case len(bytes.TrimSpace(answer)) != 0:
		return classUnknown, fmt.Errorf("insert into %s: %w: unexpected answer: %s", table, sink.ErrUnknown, firstLine(text))
	}
	return 0, nil
}

// bare drops the URL that net/http puts around an error: it is long.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
