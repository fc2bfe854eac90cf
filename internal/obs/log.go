package obs

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// NewLogger writes to w: text if w is a terminal, JSON otherwise, unless the
// configuration names a format. A level it cannot read counts as info:
// Validate has refused it before, and a program must be able to log.
func NewLogger(w io.Writer, c LogConfig) *slog.Logger {
	level, err := c.level()
	if err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	text := c.Format == "text"
	if f, ok := w.(*os.File); ok && c.Format != "json" && term.IsTerminal(int(f.Fd())) {
		text = true
	}
	if text {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}
