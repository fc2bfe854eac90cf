package clickhouse

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	ddl "github.com/storepulse/storepulse/schemas/clickhouse"
)

const migrationsTable = `CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32 COMMENT 'number of the migration file',
    name String COMMENT 'name of the migration file',
    checksum String COMMENT 'SHA-256 of the file',
    applied_by String COMMENT 'host and process',
    applied_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the file was applied, UTC'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'migrations that were applied'`

// Migrate brings the database to the program's schema and returns the names of
// the files it applied. It can be repeated, run from several programs at once,
// and run again after a crash at any statement.
func (c *Client) Migrate(ctx context.Context) (applied []string, err error) {
	all, err := ddl.Load()
	if err != nil {
		return nil, err
	}
	return c.migrate(ctx, all)
}

func (c *Client) migrate(ctx context.Context, all []ddl.Migration) (applied []string, err error) {
	if err := c.server.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quote(c.cfg.Database)); err != nil {
		return nil, fmt.Errorf("create database %s: %w", c.cfg.Database, c.redact(err))
	}
	// A worker asks at every start. Where nothing is to be done it takes no lock:
	// if it died with it, nobody could start until the lease is over.
	if lacks, err := c.lacks(ctx, all); err != nil || len(lacks) == 0 {
		return nil, err
	}
	lock, err := c.lock(ctx, lockLease)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.release(context.WithoutCancel(ctx))) }()
	if err := c.Exec(ctx, migrationsTable, nil); err != nil {
		return nil, fmt.Errorf("create schema_migrations: %w", err)
	}
	pending, err := c.pending(ctx, all)
	if err != nil {
		return nil, err
	}
	for _, m := range pending {
		for i, s := range m.Statements(ddl.Dialect{}) {
			if err := lock.renew(ctx); err != nil {
				return applied, err
			}
			if err := c.Exec(ctx, s, nil); err != nil {
				return applied, fmt.Errorf("migration %s, statement %d: %w", m.Name, i+1, err)
			}
		}
		// A crash before this row: the file is applied again, each statement
		// finds its work done.
		err := c.Exec(ctx, "INSERT INTO schema_migrations (version, name, checksum, applied_by) SELECT {version:UInt32}, {name:String}, {checksum:String}, {by:String}",
			ch.Parameters{"version": fmt.Sprint(m.Version), "name": m.Name, "checksum": m.Checksum, "by": lock.holder})
		if err != nil {
			return applied, fmt.Errorf("record migration %s: %w", m.Name, err)
		}
		applied = append(applied, m.Name)
		c.log.Info("migration applied", "file", m.Name, "database", c.cfg.Database)
	}
	return applied, nil
}

// CheckSchema is nil if the database has exactly the program's schema. It
// changes nothing; a worker asks it before it claims a lane.
func (c *Client) CheckSchema(ctx context.Context) error {
	all, err := ddl.Load()
	if err != nil {
		return err
	}
	lacks, err := c.lacks(ctx, all)
	if err != nil {
		return err
	}
	if len(lacks) > 0 {
		return fmt.Errorf("database %s lacks %d migrations, the first is %s: run `storepulse migrate`", c.cfg.Database, len(lacks), lacks[0].Name)
	}
	return nil
}

// lacks is pending for a database that may not have been made yet.
func (c *Client) lacks(ctx context.Context, all []ddl.Migration) ([]ddl.Migration, error) {
	pending, err := c.pending(ctx, all)
	var e *ch.Exception
	if errors.As(err, &e) && (e.Code == 60 || e.Code == 81) { // no such table, no such database
		return all, nil
	}
	return pending, err
}

// pending lists the files that the database lacks, and refuses a database that
// is not what the files say.
func (c *Client) pending(ctx context.Context, all []ddl.Migration) ([]ddl.Migration, error) {
	rows, err := c.Query(ctx, "SELECT version, name, checksum FROM schema_migrations ORDER BY version", nil)
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	defer rows.Close()
	done := map[uint32]bool{}
	for rows.Next() {
		var version uint32
		var name, sum string
		if err := rows.Scan(&version, &name, &sum); err != nil {
			return nil, fmt.Errorf("read schema_migrations: %w", err)
		}
		if int(version) > len(all) {
			return nil, fmt.Errorf("database %s has migration %s, this program knows up to %03d: it belongs to a newer release; upgrade this program", c.cfg.Database, name, len(all))
		}
		if m := all[version-1]; m.Checksum != sum {
			return nil, fmt.Errorf("migration %s was changed after it was applied (checksum %.12s, applied %.12s): restore the file and put the change into a new migration", m.Name, m.Checksum, sum)
		}
		done[version] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", c.redact(err))
	}
	var out []ddl.Migration
	for _, m := range all {
		if !done[m.Version] {
			out = append(out, m)
		}
	}
	return out, nil
}

// schemaLock is the table schema_lock: CREATE TABLE without IF NOT EXISTS is
// atomic, so one of several programs gets it. Its comment names the holder, and
// each renewal changes the table's modification time. A lock that nobody renewed
// for its lease is taken over by renaming it away, which again only one can do.
//
// It keeps programs from getting into each other's way; safety does not rest on
// it. A holder that was merely slow meets statements that can be repeated.
type schemaLock struct {
	c      *Client
	holder string
	lease  time.Duration
}

const (
	lockLease = 2 * time.Minute // far above any statement of a migration
	lockPoll  = 250 * time.Millisecond
	// lockWithin bounds how long the lock may take to be made, and to be given back.
	lockWithin = 10 * time.Second
)

func (c *Client) lock(ctx context.Context, lease time.Duration) (*schemaLock, error) {
	host, _ := os.Hostname()
	var unique [6]byte
	if _, err := rand.Read(unique[:]); err != nil {
		return nil, err
	}
	l := &schemaLock{c: c, lease: lease, holder: fmt.Sprintf("%s/%d/%s", host, os.Getpid(), hex.EncodeToString(unique[:]))}
	for {
		// A program that is told to stop waits for the answer all the same: it has
		// to give back what it got.
		create, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockWithin)
		err := c.Exec(create, "CREATE TABLE schema_lock (holder String) ENGINE = Memory COMMENT "+Literal(l.holder), nil)
		cancel()
		if err == nil && ctx.Err() == nil {
			return l, nil
		}
		var e *ch.Exception
		if !errors.As(err, &e) || e.Code != 57 { // 57: the table exists
			_ = l.release(context.WithoutCancel(ctx)) // it may be ours; if that fails too, the lease ends it
			return nil, fmt.Errorf("lock database %s for migrations: %w", c.cfg.Database, cmp.Or(err, ctx.Err()))
		}
		if err := l.takeStale(ctx); err != nil && ctx.Err() == nil {
			return nil, err
		}
		wait := time.NewTimer(lockPoll)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, fmt.Errorf("wait for another migration of database %s to end: %w", c.cfg.Database, ctx.Err())
		case <-wait.C:
		}
	}
}

// takeStale moves a lock away whose holder has died.
func (l *schemaLock) takeStale(ctx context.Context) error {
	rows, err := l.c.Query(ctx, "SELECT toInt64(now()) - toInt64(metadata_modification_time), comment FROM system.tables WHERE database = currentDatabase() AND name = 'schema_lock'", nil)
	if err != nil {
		return fmt.Errorf("read the migration lock: %w", err)
	}
	defer rows.Close()
	var age int64
	var holder string
	if !rows.Next() {
		return l.c.redact(rows.Err()) // released meanwhile
	}
	if err := rows.Scan(&age, &holder); err != nil {
		return fmt.Errorf("read the migration lock: %w", err)
	}
	if time.Duration(age)*time.Second < l.lease {
		return nil
	}
	l.c.log.Warn("taking over a migration lock that was not renewed", "holder", holder, "seconds", age)
	away := "schema_lock_of_" + hex.EncodeToString([]byte(l.holder))[:24] + fmt.Sprint(time.Now().UnixNano())
	var e *ch.Exception
	if err := l.c.Exec(ctx, "RENAME TABLE schema_lock TO "+quote(away), nil); err != nil {
		if errors.As(err, &e) && e.Code == 60 { // another one was faster
			return nil
		}
		return fmt.Errorf("take over the migration lock: %w", err)
	}
	return l.c.Exec(ctx, "DROP TABLE IF EXISTS "+quote(away)+" SYNC", nil)
}

// renew shows that the holder lives, and stops one that has lost the lock.
func (l *schemaLock) renew(ctx context.Context) error {
	held, err := l.held(ctx)
	if err != nil {
		return err
	}
	if !held {
		return errors.New("the migration lock was taken over by another program: run `storepulse migrate` again")
	}
	return l.c.Exec(ctx, "ALTER TABLE schema_lock MODIFY COMMENT "+Literal(l.holder), nil)
}

func (l *schemaLock) held(ctx context.Context) (bool, error) {
	rows, err := l.c.Query(ctx, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'schema_lock' AND comment = {holder:String}", ch.Parameters{"holder": l.holder})
	if err != nil {
		return false, fmt.Errorf("read the migration lock: %w", err)
	}
	defer rows.Close()
	var n uint64
	if rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return false, fmt.Errorf("read the migration lock: %w", err)
		}
	}
	return n == 1, l.c.redact(rows.Err())
}

func (l *schemaLock) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockWithin)
	defer cancel()
	held, err := l.held(ctx)
	if err != nil || !held {
		return err
	}
	if err := l.c.Exec(ctx, "DROP TABLE IF EXISTS schema_lock SYNC", nil); err != nil {
		return fmt.Errorf("release the migration lock: %w", err)
	}
	return nil
}
