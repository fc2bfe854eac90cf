// Package clickhouse holds the numbered migrations of the ClickHouse database.
// Nobody starts it; sink/clickhouse applies them. A file that has been released
// never changes: its checksum is kept in the database.
package clickhouse

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

//go:embed *.sql
var files embed.FS

// Migration is one numbered file. Names in it are relative to the database of
// the connection; each statement can be repeated.
type Migration struct {
	Version  uint32
	Name     string // file name
	Checksum string // SHA-256 of the file as it is in the source
	SQL      string
}

var fileName = regexp.MustCompile(`^(\d{3})_[a-z0-9_]+\.sql$`)

// Load gives the migrations in the order of their numbers, which count from 1
// without a gap.
func Load() ([]Migration, error) { return load(files) }

func load(fsys fs.FS) ([]Migration, error) {
	names, err := fs.Glob(fsys, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var all []Migration
	for _, name := range names {
		m := fileName.FindStringSubmatch(name)
		if m == nil {
			return nil, fmt.Errorf("migration %s: name must be like 001_lanes.sql", name)
		}
		version, _ := strconv.Atoi(m[1])
		if version != len(all)+1 {
			return nil, fmt.Errorf("migration %s: want number %03d next", name, len(all)+1)
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		all = append(all, Migration{Version: uint32(version), Name: name, Checksum: hex.EncodeToString(sum[:]), SQL: string(text)})
	}
	return all, nil
}

// Dialect says what differs between a single server and a cluster. The zero
// value is a single server. On a cluster every table is replicated and DDL runs
// on all hosts; nothing in the program sets it yet, because the fence there also
// needs quorum writes and sequentially consistent reads of lanes.
type Dialect struct{ Cluster string }

// Statements renders the file for the dialect, one string per statement. A
// statement ends at a semicolon at the end of a line.
func (m Migration) Statements(d Dialect) []string {
	onCluster, replicated, window := "", "", "non_replicated_deduplication_window = 10000"
	if d.Cluster != "" {
		onCluster = "ON CLUSTER `" + strings.ReplaceAll(d.Cluster, "`", "\\`") + "`"
		replicated = "Replicated"
		window = "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
	}
	text := strings.NewReplacer(
		"{{on_cluster}}", onCluster,
		"{{replicated}}", replicated,
		"{{durable}}", window+", fsync_after_insert = 1, fsync_part_directory = 1",
	).Replace(m.SQL)
	var out []string
	for _, s := range strings.Split(text, ";\n") {
		if s = withoutComments(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// withoutComments drops comment lines, so that a file may end in one.
func withoutComments(s string) string {
	var keep []string
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "--") && strings.TrimSpace(line) != "" {
			keep = append(keep, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(keep, "\n")
}
