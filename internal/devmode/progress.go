package devmode

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"
)

// showProgress tells how much of the engine has arrived under dir: a bar that
// redraws itself on a terminal, a few plain lines elsewhere. The returned
// function ends it.
func showProgress(w io.Writer, dir string) (stop func(ok bool)) {
	f, isFile := w.(*os.File)
	bar := isFile && term.IsTerminal(int(f.Fd()))
	every := 10 * time.Second
	if bar {
		every = 250 * time.Millisecond
	}
	fmt.Fprintf(w, "installing the embedded ClickHouse engine (%s %s, once per user, %d MB on disk)\n", enginePackage, engineVersion, engineBytes/1_000_000)
	start := time.Now()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				drawProgress(w, bar, sizeOf(dir), time.Since(start))
			}
		}
	}()
	return func(ok bool) {
		close(done)
		<-ended
		if bar {
			fmt.Fprint(w, "\r\x1b[K")
		}
		if ok {
			fmt.Fprintf(w, "installed the embedded ClickHouse engine in %.0f s\n", time.Since(start).Seconds())
		}
	}
}

func drawProgress(w io.Writer, bar bool, size int64, since time.Duration) {
	share := min(float64(size)/engineBytes, 1)
	if !bar {
		fmt.Fprintf(w, "  %d of %d MB after %.0f s\n", size/1_000_000, engineBytes/1_000_000, since.Seconds())
		return
	}
	const width = 40
	full := int(share * width)
	fmt.Fprintf(w, "\r\x1b[K  [%s%s] %3.0f%%  %.0f s", strings.Repeat("█", full), strings.Repeat("·", width-full), share*100, since.Seconds())
}

func sizeOf(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // files come and go while npm works
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}
