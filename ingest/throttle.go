package ingest

import (
	"sync"
	"time"
)

// throttle lets one log line through per period and counts the others.
type throttle struct {
	every time.Duration
	mu    struct {
		sync.Mutex
		last    time.Time
		dropped int
	}
}

func (t *throttle) allow(now time.Time) (dropped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.mu.last.IsZero() && now.Sub(t.mu.last) < t.every {
		t.mu.dropped++
		return 0, false
	}
	dropped, t.mu.dropped, t.mu.last = t.mu.dropped, 0, now
	return dropped, true
}
