package progress

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPlainLinesComeEveryFiveSecondsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := New(&out, "import")
		for second := range int64(12) {
			b.Show(second<<20, 12<<20, "x events")
			time.Sleep(time.Second)
		}
		b.Show(12<<20, 12<<20, "y events")
		b.Done()
		want := `import  42% of 12.0 MiB, 7s left, x events
import  83% of 12.0 MiB, 2s left, x events
import 100% of 12.0 MiB, y events
`
		if d := cmp.Diff(out.String(), want); d != "" {
			t.Errorf("lines (-got +want):\n%s", d)
		}
	})
}

func TestABarOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := New(&out, "engine")
		b.terminal, b.width, b.every = true, 40, 100*time.Millisecond
		time.Sleep(time.Second)
		b.Show(1<<20, 4<<20, "")
		b.Show(2<<20, 4<<20, "") // too soon to be drawn
		time.Sleep(time.Second)
		b.Show(3<<20, 0, "a note that is much too long for the line")
		b.Done()
		want := "\r\x1b[Kengine [#####---------------]  25% of 4\r\x1b[Kengine 3.0 MiB, a note that is much too\r\x1b[Kengine 3.0 MiB, a note that is much too\n"
		if d := cmp.Diff(out.String(), want); d != "" {
			t.Errorf("drawn (-got +want):\n%s", d)
		}
	})
}

func TestNoBarShowsNothing(t *testing.T) {
	var b *Bar
	b.Show(1, 2, "")
	b.Done()
}
