// Package progress shows how far a long command has come: a bar on a terminal,
// a plain line every five seconds otherwise. The caller must Done it, which
// writes the last state; nothing runs in the background.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Bar is one line of progress. A nil Bar shows nothing. Not for concurrent use.
type Bar struct {
	out      io.Writer
	title    string
	terminal bool
	width    int
	every    time.Duration
	begun    time.Time
	shown    time.Time
	last     string
	amount   func(int64) string
}

// New gives a bar; it is drawn in place if out is a terminal.
func New(out io.Writer, title string) *Bar {
	b := &Bar{out: out, title: title, every: 5 * time.Second, begun: time.Now(), amount: Bytes}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		b.shown = b.begun // a command that ends within five seconds says one line
		return b
	}
	b.terminal, b.every, b.width = true, 100*time.Millisecond, 80
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
		b.width = w
	}
	return b
}

// NewCount gives a bar over things that are counted, such as "epochs".
func NewCount(out io.Writer, title, unit string) *Bar {
	b := New(out, title)
	b.amount = func(n int64) string { return fmt.Sprintf("%d %s", n, unit) }
	return b
}

// Show tells how much of total is done (total 0 = not known) and a note such
// as "12,000 events". It may be called as often as convenient.
func (b *Bar) Show(done, total int64, note string) {
	if b == nil {
		return
	}
	b.last = b.line(done, total, note)
	if now := time.Now(); now.Sub(b.shown) >= b.every {
		b.shown = now
		b.write()
	}
}

// Set is Show without a note.
func (b *Bar) Set(done, total int64) { b.Show(done, total, "") }

// Done writes the last state and ends the line.
func (b *Bar) Done() {
	if b == nil || b.last == "" {
		return
	}
	b.write()
	if b.terminal {
		_, _ = io.WriteString(b.out, "\n")
	}
	b.last = ""
}

// write ignores errors: progress that cannot be shown must not stop the work.
func (b *Bar) write() {
	if b.terminal {
		_, _ = io.WriteString(b.out, "\r\x1b[K"+b.last)
		return
	}
	_, _ = io.WriteString(b.out, b.last+"\n")
}

func (b *Bar) line(done, total int64, note string) string {
	elapsed := time.Since(b.begun)
	s := b.title + " " + b.amount(done)
	if total > 0 {
		part := min(max(float64(done)/float64(total), 0), 1)
		s = fmt.Sprintf("%s %3.0f%% of %s", b.title, part*100, b.amount(total))
		if b.terminal {
			const cells = 20
			full := int(part * cells)
			s = fmt.Sprintf("%s [%s%s] %3.0f%% of %s", b.title, strings.Repeat("#", full), strings.Repeat("-", cells-full), part*100, b.amount(total))
		}
		if part > 0.01 && part < 1 && elapsed > 2*time.Second {
			s += ", " + time.Duration(float64(elapsed)*(1-part)/part).Round(time.Second).String() + " left"
		}
	}
	if note != "" {
		s += ", " + note
	}
	if b.terminal && len(s) >= b.width {
		s = strings.ToValidUTF8(s[:b.width-1], "")
	}
	return s
}

// Bytes writes a size for people.
func Bytes(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
}
