package obs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Throttled gives a logger for lines that can repeat: after a line went out,
// further ones with the same level and message are dropped for the given time,
// and the next one says how many, in the attribute "dropped". Attributes do
// not tell lines apart, for messages are constant text and attributes are not.
func Throttled(log *slog.Logger, every time.Duration) *slog.Logger {
	return slog.New(&throttle{Handler: log.Handler(), lines: &lines{every: every, seen: map[lineKey]*line{}}})
}

type throttle struct {
	slog.Handler
	lines *lines // shared by the loggers made with With and WithGroup
}

type lines struct {
	every time.Duration
	mu    sync.Mutex
	seen  map[lineKey]*line
}

type lineKey struct {
	level   slog.Level
	message string
}

type line struct {
	last    time.Time
	dropped int64
}

// maxLines bounds the memory should somebody put a value into a message.
const maxLines = 1000

// Handle implements slog.Handler.
func (t *throttle) Handle(ctx context.Context, r slog.Record) error {
	dropped, ok := t.lines.take(lineKey{r.Level, r.Message}, time.Now())
	if !ok {
		return nil
	}
	if dropped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int64("dropped", dropped))
	}
	return t.Handler.Handle(ctx, r)
}

func (t *throttle) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &throttle{Handler: t.Handler.WithAttrs(attrs), lines: t.lines}
}

func (t *throttle) WithGroup(name string) slog.Handler {
	return &throttle{Handler: t.Handler.WithGroup(name), lines: t.lines}
}

// take says whether the line may go out now and how many were dropped before it.
func (l *lines) take(k lineKey, now time.Time) (dropped int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.seen[k]
	if s == nil {
		if len(l.seen) >= maxLines {
			clear(l.seen)
		}
		l.seen[k] = &line{last: now}
		return 0, true
	}
	if now.Sub(s.last) < l.every {
		s.dropped++
		return 0, false
	}
	dropped, s.dropped, s.last = s.dropped, 0, now
	return dropped, true
}
