// Package clickhouse writes facts to ClickHouse and reads the little that the
// program needs back. Inserts are single blocks in Native format over HTTP;
// reads and DDL go through clickhouse-go. Whoever made a Client closes it; there
// is nothing to flush, because every call ends with a known class of outcome.
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
)

// InsertTimeout bounds an insert from its first byte to the answer. The server
// gives up earlier, see receiveTimeout and executionTimeout, so that an insert
// whose client is gone cannot land much later than this.
const InsertTimeout = 20 * time.Second

const (
	receiveTimeout   = 8 * time.Second  // silence on the connection that the server bears
	executionTimeout = 15 * time.Second // of a whole statement on the server
	dialTimeout      = 5 * time.Second
	readTimeout      = 30 * time.Second
)

// Client speaks to one server. It is safe for concurrent use.
type Client struct {
	cfg      Config
	log      *slog.Logger
	metrics  *metrics
	base     *url.URL
	password string
	http     *http.Client
	compress bool        // LZ4 costs three times what encoding does; worth it on a network only
	conn     driver.Conn // of the database
	server   driver.Conn // of no database, to create it
	layouts  [schemas.NumTables]*layout
	buffers  sync.Pool // *buffer
}

// Table describes a fact table by its id.
func Table(id schemas.TableID) *schemas.Table {
	return [schemas.NumTables]*schemas.Table{
		schemas.FactEvents: schemas.EventsTable, schemas.FactSessions: schemas.SessionsTable, schemas.FactOrderEvents: schemas.OrdersTable,
		schemas.FactOrderItems: schemas.OrderItemsTable, schemas.FactRefunds: schemas.RefundsTable,
		schemas.LateEvents: schemas.LateTable, schemas.DeadLetters: schemas.LettersTable,
	}[id]
}

// New makes a client; it connects with the first call.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	password, err := cfg.password()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("sink.clickhouse.url: not a URL")
	}
	base.Path = "/"
	c := &Client{cfg: cfg, log: log, metrics: newMetrics(reg), base: base, password: password, compress: !loopback(base.Hostname())}
	for id := range schemas.NumTables {
		c.layouts[id] = newLayout(Table(id))
	}
	c.buffers.New = func() any { return newBuffer() }
	c.http = &http.Client{
		Timeout: InsertTimeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:     tlsConfig,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     2 * time.Second, // below the server's keep-alive timeout (3 s in old releases)
			DisableCompression:  true,
		},
		// A redirect would send the rows to a server nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	open := func(database string) (driver.Conn, error) {
		host := base.Host
		if base.Port() == "" {
			host = net.JoinHostPort(base.Hostname(), map[string]string{"http": "80", "https": "443"}[base.Scheme])
		}
		return ch.Open(&ch.Options{
			Protocol: ch.HTTP, Addr: []string{host}, TLS: tlsConfig,
			Auth:        ch.Auth{Database: database, Username: cfg.User, Password: password},
			DialTimeout: dialTimeout, ReadTimeout: readTimeout, MaxOpenConns: 16, MaxIdleConns: 4, ConnMaxLifetime: time.Minute,
			Settings: ch.Settings{"max_execution_time": int(readTimeout.Seconds())},
		})
	}
	if c.conn, err = open(cfg.Database); err != nil {
		return nil, c.redact(err)
	}
	if c.server, err = open(""); err != nil {
		return nil, c.redact(err)
	}
	return c, nil
}

// Database names the database of the client.
func (c *Client) Database() string { return c.cfg.Database }

// Conn gives clickhouse-go's connection to the database, for small reads.
func (c *Client) Conn() driver.Conn { return c.conn }

// Close lets the connections go.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return errors.Join(c.conn.Close(), c.server.Close())
}

// Ping asks the server for its version; its error tells an operator what to do.
func (c *Client) Ping(ctx context.Context) error {
	var version string
	err := c.server.QueryRow(ctx, "SELECT version()").Scan(&version)
	if err == nil {
		return nil
	}
	err = c.redact(bare(err))
	hint := "is the server running, and is sink.clickhouse.url right?"
	var e *ch.Exception
	switch {
	case errors.As(err, &e) && (e.Code == 516 || e.Code == 192 || e.Code == 193 || e.Code == 194):
		hint = "check sink.clickhouse.user and sink.clickhouse.password_file"
	case errors.As(err, &e):
		hint = "the server answered, see its log"
	case strings.Contains(err.Error(), "x509") || strings.Contains(err.Error(), "tls:"):
		hint = "check sink.clickhouse.tls"
	}
	return fmt.Errorf("clickhouse at %s: %w (%s)", c.base.Host, err, hint)
}

// Run samples what the server alone knows, until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		if err := c.sample(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("cannot sample parts", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *Client) sample(ctx context.Context) error {
	var parts uint64
	err := c.conn.QueryRow(ctx, `SELECT max(n) FROM (SELECT count() AS n FROM system.parts
		WHERE active AND database = currentDatabase() GROUP BY table, partition_id)`).Scan(&parts)
	if err != nil {
		return c.redact(err)
	}
	c.metrics.parts.Set(float64(parts))
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// redact takes the password out of an error's text; URLs and headers that a
// library or the server repeats may hold it.
func (c *Client) redact(err error) error {
	if err == nil || c.password == "" || !strings.Contains(err.Error(), c.password) {
		return err
	}
	return &redacted{c.hide(err.Error()), err}
}

// redacted is an error under another text.
type redacted struct {
	text  string
	cause error
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.cause }

func (c *Client) hide(text string) string {
	if c.password == "" {
		return text
	}
	return strings.ReplaceAll(text, c.password, "***")
}
