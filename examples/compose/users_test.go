// Package compose has tests only: they run the ClickHouse engine as the users of
// this folder.
package compose

import (
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/dashboards"
	"github.com/storepulse/storepulse/internal/devmode"
	"github.com/storepulse/storepulse/internal/devmode/chdb"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/schemas/catalogue"
	ddl "github.com/storepulse/storepulse/schemas/clickhouse"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// TestUsers: the worker's user may migrate and write, Grafana's may run every
// panel, and neither may more. The engine has one user and one data directory a
// process, so each user is a process of its own.
func TestUsers(t *testing.T) {
	if dir := os.Getenv("STOREPULSE_USERS_TEST"); dir != "" {
		as(t, dir, os.Getenv("STOREPULSE_USERS_TEST_USER"))
		return
	}
	if _, err := devmode.EnsureEngine(t.Context(), os.Stderr); err != nil {
		devtest.Missing(t, "%v", err)
	}
	dir := t.TempDir()
	for _, user := range []string{"storepulse", "grafana"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUsers$", "-test.v")
		cmd.Env = append(os.Environ(), "STOREPULSE_USERS_TEST="+dir, "STOREPULSE_USERS_TEST_USER="+user)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("as %s: %v\n%s", user, err, out)
		}
	}
}

// as is the body of the processes.
func as(t *testing.T, dir, user string) {
	library, err := devmode.EnsureEngine(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := chdb.Load(library)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := engine.Connect("--path="+filepath.Join(dir, "data"), "--config-file="+configure(t, dir, user))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(sql string) error {
		_, err := conn.Query([]byte(sql), "TSV", nil, func([]byte) error { return nil })
		return err
	}
	may := func(sql string) {
		t.Helper()
		if err := ask(sql); err != nil {
			t.Errorf("%s may not: %v\n%s", user, err, sql)
		}
	}
	mayNot := func(sql, why string) {
		t.Helper()
		if err := ask(sql); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v; want an error with %q\n%s", user, err, why, sql)
		}
	}
	const denied = "Not enough privileges"
	if user == "grafana" {
		may("USE storepulse")
		now := time.Now()
		n := 0
		for _, q := range dashboards.Queries() {
			if q.SQL != "" {
				n++
				may(q.Expand(now.Add(-time.Hour), now, time.Minute) + " SETTINGS max_execution_time = 20")
			}
		}
		if n == 0 {
			t.Error("no panel asks ClickHouse; the test checks nothing")
		}
		mayNot("INSERT INTO lanes (lane, term) VALUES (7, 7)", denied)
		mayNot("SELECT * FROM system.users", denied)
		mayNot("SELECT 1 SETTINGS readonly = 0", "Cannot modify 'readonly'")
		return
	}
	may("CREATE DATABASE IF NOT EXISTS storepulse")
	may("USE storepulse")
	files, err := ddl.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range files {
		for _, s := range m.Statements(ddl.Dialect{}) {
			may(s)
		}
	}
	may("CREATE OR REPLACE VIEW metric_gmv_paid AS SELECT 1 AS orders") // of a release before
	for _, v := range catalogue.Views(catalogue.Settings{PayWindow: 72 * time.Hour, Gap: 30 * time.Minute, Topics: [schemas.NumTopics]string{"c", "o"}, Tenants: []schemas.Tenant{{ID: "default", Location: time.UTC, Currency: "CNY"}}}) {
		may(clickhouse.View(v).Statement())
	}
	// The lock of migrations, a claim, an epoch, facts with the view they feed, a drain.
	may("CREATE TABLE schema_lock (holder String) ENGINE = Memory COMMENT 'a'")
	may("ALTER TABLE schema_lock MODIFY COMMENT 'b'")
	may("RENAME TABLE schema_lock TO schema_lock_away")
	may("DROP TABLE schema_lock_away SYNC")
	may("INSERT INTO lanes (lane, term) VALUES (7, 7)")
	may("INSERT INTO epochs (lane, term, seq, epoch) VALUES (7, 7, 1, 1)")
	may("INSERT INTO fact_order_events (lane, term, epoch, order_id) VALUES (7, 7, 1, 'o')")
	may("SELECT count() FROM orders")
	may("SELECT query_id, Settings['log_comment'] FROM system.processes")
	may("KILL QUERY WHERE query_id = 'none' ASYNC")
	may("SELECT max(n) FROM (SELECT count() AS n FROM system.parts GROUP BY table)")
	mayNot("CREATE DATABASE other", denied)
	mayNot("CREATE USER other", denied)
	mayNot("SELECT * FROM url('http://127.0.0.1:9', 'RawBLOB')", denied)
}

// configure gives the engine's only user, default, what the file grants to
// another one.
func configure(t *testing.T, dir, user string) string {
	t.Helper()
	text, err := os.ReadFile("clickhouse-users.xml")
	if err != nil {
		t.Fatal(err)
	}
	type raw struct {
		Text string `xml:",innerxml"`
	}
	var file struct {
		Profiles raw    `xml:"profiles"`
		Users    byName `xml:"users"`
	}
	if err := xml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	body, ok := file.Users[user]
	if !ok {
		t.Fatalf("clickhouse-users.xml has no user %s", user)
	}
	users := filepath.Join(dir, user+"-users.xml")
	config := filepath.Join(dir, user+".xml")
	for path, text := range map[string]string{
		users: fmt.Sprintf(`<clickhouse><profiles><default/>%s</profiles><users><default><password/>%s</default></users>
			<quotas><default><interval><duration>3600</duration></interval></default></quotas></clickhouse>`, file.Profiles.Text, body),
		config: fmt.Sprintf(`<clickhouse><user_directories><users_xml><path>%s</path></users_xml></user_directories><users_config>%[1]s</users_config></clickhouse>`, users),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return config
}

// byName reads elements by their names.
type byName map[string]string

func (m *byName) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	*m = byName{}
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.StartElement:
			var body struct {
				Text string `xml:",innerxml"`
			}
			if err := d.DecodeElement(&body, &e); err != nil {
				return err
			}
			(*m)[e.Name.Local] = body.Text
		case xml.EndElement:
			return nil
		}
	}
}
