package chhttp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/chdb"
)

// tagSetting carries a session's tag: of the engine's settings it is one that
// changes nothing and that no client sets.
const tagSetting = "query_cache_tag"

// errBusy: as many statements run as may run, and none ended in time.
var errBusy = errors.New("too many simultaneous statements")

// session is one connection to the engine and what has been set on it.
type session struct {
	conn     *chdb.Conn
	tag      string // names this connection's statements alone in system.processes
	database string
	settings map[string]string
	spoiled  bool // its state is unknown or foreign: close it after use
}

// pool lends sessions, at most limit at a time.
type pool struct {
	dial func() (*chdb.Conn, error)
	wait time.Duration
	free chan *session
	seat chan struct{}

	mu struct {
		sync.Mutex
		dialled int
	}
}

func newPool(limit int, wait time.Duration, dial func() (*chdb.Conn, error)) *pool {
	return &pool{dial: dial, wait: wait, free: make(chan *session, limit), seat: make(chan struct{}, limit)}
}

// get lends a session that has database and settings set, and nothing else.
func (p *pool) get(ctx context.Context, database string, settings map[string]string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	select {
	case p.seat <- struct{}{}:
	case <-ctx.Done():
		return nil, errBusy
	}
	s, err := p.take()
	if err == nil {
		if err = s.prepare(database, settings); err != nil {
			s.spoiled = true
			p.put(s)
			return nil, err
		}
		return s, nil
	}
	<-p.seat
	return nil, err
}

func (p *pool) take() (*session, error) {
	select {
	case s := <-p.free:
		return s, nil
	default:
	}
	conn, err := p.dial()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.mu.dialled++
	tag := fmt.Sprintf("storepulse-connection-%d", p.mu.dialled)
	p.mu.Unlock()
	return &session{conn: conn, tag: tag, database: "default", settings: map[string]string{}}, nil
}

func (p *pool) put(s *session) {
	if s.spoiled {
		s.conn.Close()
	} else {
		p.free <- s // never blocks: as many places as seats
	}
	<-p.seat
}

// close waits until every session has come back, or ctx ends, and closes them.
func (p *pool) close(ctx context.Context) error {
	for range cap(p.seat) {
		select {
		case p.seat <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("close the engine's connections: statements still run: %w", ctx.Err())
		}
	}
	for {
		select {
		case s := <-p.free:
			s.conn.Close()
		default:
			return nil
		}
	}
}

// prepare brings the session to exactly these settings. Settings of the
// request before stay until they are in the way, so a client that repeats
// itself costs no extra statement.
func (s *session) prepare(database string, settings map[string]string) error {
	if database == "" {
		database = "default"
	}
	if database != s.database {
		if _, err := s.conn.Query([]byte("USE "+quoteName(database)), "Null", nil, nil); err != nil {
			return err
		}
		s.database = database
	}
	settings[tagSetting] = s.tag
	var change []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if old, ok := s.settings[name]; !ok || old != settings[name] {
			change = append(change, name+" = "+quoteString(settings[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.settings)) {
		if _, ok := settings[name]; !ok {
			change = append(change, name+" = DEFAULT")
		}
	}
	if len(change) == 0 {
		return nil
	}
	if _, err := s.conn.Query([]byte("SET "+strings.Join(change, ", ")), "Null", nil, nil); err != nil {
		return err
	}
	s.settings = settings
	return nil
}
