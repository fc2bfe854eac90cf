package soak

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// happened is a fault that took place.
type happened struct {
	Fault
	begun, ended time.Time
	recovery     time.Duration
	known        bool
}

// table logs faults as they go and sums them up.
type table struct {
	out   io.Writer
	begun time.Time
	mu    struct {
		sync.Mutex
		list []*happened
	}
}

func (t *table) printf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "%7.1fs  "+format+"\n", append([]any{time.Since(t.begun).Seconds()}, args...)...)
}

func (t *table) begin(f Fault) *happened {
	h := &happened{Fault: f, begun: time.Now()}
	t.mu.Lock()
	t.mu.list = append(t.mu.list, h)
	t.mu.Unlock()
	t.printf("fault %d %s begins (hold %s, pick %d, force %.2f)", f.Number, f.Kind, f.Hold, f.Pick, f.Force)
	return h
}

func (t *table) end(h *happened, at time.Time) {
	t.mu.Lock()
	h.ended = at
	t.mu.Unlock()
}

func (t *table) recovered(h *happened, after time.Duration) {
	t.mu.Lock()
	h.recovery, h.known = max(0, after), true
	t.mu.Unlock()
	t.printf("fault %d %s lasted %.1fs, recovered %.1fs after", h.Number, h.Kind, h.ended.Sub(h.begun).Seconds(), h.recovery.Seconds())
}

// overdue says whether lanes have not recovered from a fault that has long been over.
func (t *table) overdue(by time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.mu.list, func(h *happened) bool { return !h.known && !h.ended.IsZero() && time.Since(h.ended) > by })
}

// counts says how many faults have begun, and how many are over.
func (t *table) counts() (begun, over int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.mu.list {
		if !h.ended.IsZero() {
			over++
		}
	}
	return len(t.mu.list), over
}

// print writes kind × count × recovery.
func (t *table) print() {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nfault\tcount\trecovered\tmedian s\tworst s\tworst alone s\t")
	for k := range numKinds {
		var times []time.Duration
		n, alone := 0, "-"
		longest := time.Duration(-1)
		for _, h := range t.mu.list {
			if h.Kind != k {
				continue
			}
			n++
			if h.known {
				times = append(times, h.recovery)
				if h.recovery > longest && t.alone(h) {
					longest = h.recovery
					alone = fmt.Sprintf("%.1f", longest.Seconds())
				}
			}
		}
		if n == 0 {
			continue
		}
		median, worst := "-", "-"
		if len(times) > 0 {
			slices.Sort(times)
			median, worst = fmt.Sprintf("%.1f", times[len(times)/2].Seconds()), fmt.Sprintf("%.1f", times[len(times)-1].Seconds())
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t\n", k, n, len(times), median, worst, alone)
	}
	_ = w.Flush()
	fmt.Fprintln(t.out)
}

// alone says that no other fault lay between this one's begin and its recovery,
// and that it began when all was well.
func (t *table) alone(h *happened) bool {
	for _, o := range t.mu.list {
		if o != h && o.begun.Before(h.ended.Add(h.recovery)) && (!o.known || o.ended.Add(o.recovery).After(h.begun)) {
			return false
		}
	}
	return true
}

// kinds counts the different kinds.
func (t *table) kinds() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := map[Kind]bool{}
	for _, h := range t.mu.list {
		seen[h.Kind] = true
	}
	return len(seen)
}

// Result is what a soak says last.
type Result struct {
	Seconds                         int
	Faults, Kinds                   int
	Events                          int
	Lost, Duplicated, SessionsWrong int
}

func (r Result) String() string {
	return fmt.Sprintf("soak: seconds=%d faults=%d events=%d lost=%d duplicated=%d sessions_wrong=%d", r.Seconds, r.Faults, r.Events, r.Lost, r.Duplicated, r.SessionsWrong)
}
