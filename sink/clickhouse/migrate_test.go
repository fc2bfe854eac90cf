package clickhouse_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
	ddl "github.com/storepulse/storepulse/schemas/clickhouse"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func TestMigrateTwice(t *testing.T) {
	c := openClient(t, engine(t), newDatabase(t))
	if err := c.CheckSchema(t.Context()); err == nil || !strings.Contains(err.Error(), "storepulse migrate") {
		t.Errorf("schema of an empty server: %v", err)
	}
	all, err := ddl.Load()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	applied, err := c.Migrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(applied, names); d != "" {
		t.Errorf("first run (-got, +want):\n%s", d)
	}
	applied, err = c.Migrate(t.Context())
	if err != nil || len(applied) != 0 {
		t.Errorf("second run applied %v, %v", applied, err)
	}
	if err := c.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMigrateFromTwoProgramsAtOnce(t *testing.T) {
	database := newDatabase(t)
	var wg sync.WaitGroup
	var applied [2][]string
	var errs [2]error
	for i := range 2 {
		c := openClient(t, engine(t), database)
		wg.Go(func() { applied[i], errs[i] = c.Migrate(t.Context()) })
	}
	wg.Wait()
	all, err := ddl.Load()
	if err := errors.Join(err, errs[0], errs[1]); err != nil {
		t.Fatal(err)
	}
	if got := len(applied[0]) + len(applied[1]); got != len(all) {
		t.Errorf("%d files applied, want each once: %d", got, len(all))
	}
}

// A crash at any statement leaves a database that the next run completes. The
// lock of the dead program stays; its lease is what the next one waits for, here
// an operator drops it.
func TestMigrateAfterACrashInTheMiddle(t *testing.T) {
	server, database := engine(t), newDatabase(t)
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	for crash := 3; ; crash += 19 {
		// The proxy stands for a program that dies: from one request on, none arrives.
		var n atomic.Int64
		forward := httputil.NewSingleHostReverseProxy(target)
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) > int64(crash) {
				panic(http.ErrAbortHandler)
			}
			forward.ServeHTTP(w, r)
		}))
		_, err := openClient(t, proxy.URL, database).Migrate(t.Context())
		proxy.Close()
		c := openClient(t, server, database)
		if err == nil {
			if err := c.CheckSchema(t.Context()); err != nil {
				t.Error(err)
			}
			if crash < 50 {
				t.Errorf("the crash after %d requests came too late to mean anything", crash)
			}
			return
		}
		if err := c.Exec(t.Context(), "DROP TABLE IF EXISTS "+database+".schema_lock SYNC", nil); err != nil && !strings.Contains(err.Error(), "does not exist") {
			t.Fatal(err)
		}
	}
}

func TestMigrateNamesAChangedFileAndANewerSchema(t *testing.T) {
	c := newClient(t)
	for _, row := range []struct{ values, want string }{
		{"2, '002_epochs.sql', 'changed'", "002_epochs.sql was changed after it was applied"},
		{"99, '099_future.sql', 'x'", "099_future.sql, this program knows up to"},
	} {
		if err := c.Exec(t.Context(), "INSERT INTO schema_migrations (version, name, checksum) VALUES ("+row.values+")", nil); err != nil {
			t.Fatal(err)
		}
		_, err := c.Migrate(t.Context())
		for _, err := range []error{err, c.CheckSchema(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		}
		if err := c.Exec(t.Context(), "ALTER TABLE schema_migrations DELETE WHERE checksum = 'changed' SETTINGS mutations_sync = 1", nil); err != nil {
			t.Fatal(err)
		}
	}
}

// column is what system.columns says of one.
type column struct{ Name, Type, Comment string }

func columnsOf(t *testing.T, c *clickhouse.Client, table string) (out []column) {
	t.Helper()
	rows, err := c.Query(t.Context(), "SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() AND table = {table:String} ORDER BY position",
		map[string]string{"table": table})
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var col column
		if err := rows.Scan(&col.Name, &col.Type, &col.Comment); err != nil {
			t.Fatal(err)
		}
		out = append(out, col)
	}
	return out
}

func TestTablesAreWhatSchemasSay(t *testing.T) {
	c := newClient(t)
	for id := range schemas.NumTables {
		table := clickhouse.Table(id)
		var want []column
		for _, def := range slices.Concat(schemas.StampColumns, table.Columns) {
			want = append(want, column(def))
		}
		want = append(want, column{"inserted_at", "DateTime64(3)", "when the row was inserted, UTC"})
		for _, name := range []string{table.Name, table.Name + "_probe"} {
			if d := cmp.Diff(columnsOf(t, c, name), want); d != "" {
				t.Errorf("%s (-got, +want):\n%s", name, d)
			}
		}
	}
}

// Every table is durable, deduplicates and is fenced; every column has a comment.
func TestTablesKeepThePromises(t *testing.T) {
	c := newClient(t)
	tables, err := c.Query(t.Context(), "SELECT name, engine, create_table_query, comment FROM system.tables WHERE database = currentDatabase() AND name NOT LIKE '.%'", nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for tables.Next() {
		var name, engine, create, comment string
		if err := tables.Scan(&name, &engine, &create, &comment); err != nil {
			t.Fatal(err)
		}
		seen++
		must := func(part string) {
			if !strings.Contains(create, part) {
				t.Errorf("%s has no %q", name, part)
			}
		}
		if !strings.HasSuffix(engine, "MergeTree") {
			if strings.HasSuffix(name, "_probe") && strings.Contains(create, "fenced") {
				t.Errorf("%s is fenced: a probe must pass after a takeover", name)
			}
			continue
		}
		must("fsync_after_insert = 1")
		must("fsync_part_directory = 1")
		if name != "lanes" && name != "schema_migrations" {
			must("non_replicated_deduplication_window = 10000")
		}
		if name != "lanes" && name != "schema_migrations" && name != "fact_orders" && name != "replays" { // an operator's command writes it, no lane
			must("CONSTRAINT fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM " + c.Database() + ".lanes GROUP BY lane)")
		}
		if comment == "" {
			t.Errorf("%s has no comment", name)
		}
		for _, col := range columnsOf(t, c, name) {
			if col.Comment == "" {
				t.Errorf("%s.%s has no comment", name, col.Name)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d tables", seen)
	}
}

// cutting passes requests on and cuts the connection after the server has
// answered, as a network does that fails at the worst moment.
func cutting(t *testing.T, server string, cut func(r *http.Request) bool) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := http.NewRequestWithContext(r.Context(), r.Method, server+r.URL.RequestURI(), r.Body)
		if err != nil {
			panic(err)
		}
		out.Header = r.Header.Clone()
		out.ContentLength = r.ContentLength
		resp, err := http.DefaultClient.Do(out)
		if err != nil || cut(r) {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		if _, err := io.Copy(w, resp.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
