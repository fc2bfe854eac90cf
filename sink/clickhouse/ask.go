package clickhouse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Ask sends one query of a person and streams the answer to w in the given
// ClickHouse format. It is as slow as the query is: only ctx bounds it.
func (c *Client) Ask(ctx context.Context, w io.Writer, query, format string) error {
	u := *c.base
	u.RawQuery = url.Values{"database": {c.cfg.Database}, "default_format": {format}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(query))
	if err != nil {
		return fmt.Errorf("ask clickhouse: %w", err)
	}
	req.Header.Set("X-ClickHouse-User", c.cfg.User)
	if c.password != "" {
		req.Header.Set("X-ClickHouse-Key", c.password)
	}
	resp, err := (&http.Client{Transport: c.http.Transport, CheckRedirect: c.http.CheckRedirect}).Do(req)
	if err != nil {
		return fmt.Errorf("ask clickhouse at %s (set sink.clickhouse.url): %w", c.base.Host, c.redact(bare(err)))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
		return fmt.Errorf("clickhouse: %s", strings.TrimSpace(strings.ToValidUTF8(string(text), "?")))
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the answer: %w", bare(err))
	}
	return nil
}
