package soak

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestASlowMachineGetsItsTime: a run without enough faults goes on until there
// are, and not for ever.
func TestASlowMachineGetsItsTime(t *testing.T) {
	for _, c := range []struct {
		faults map[time.Duration]Kind // by the second in which they happen
		want   time.Duration
	}{
		{map[time.Duration]Kind{1: WorkerKill, 2: StoreKill, 3: StoreKill}, 10 * time.Second},
		{map[time.Duration]Kind{1: WorkerKill, 2: StoreKill, 14: StoreKill}, 14 * time.Second}, // two faults until then
		{map[time.Duration]Kind{1: WorkerKill, 2: WorkerKill, 3: WorkerKill, 17: StoreKill}, 17 * time.Second},
		{map[time.Duration]Kind{1: WorkerKill}, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			r := &run{Options: Options{For: 10 * time.Second, LeastFaults: 3, LeastKinds: 2}, table: &table{out: io.Discard, begun: begun}}
			for at, kind := range c.faults {
				time.AfterFunc(at*time.Second, func() { r.table.begin(Fault{Kind: kind}) })
			}
			r.last(t.Context())
			if took := time.Since(begun).Round(time.Second); took != c.want {
				t.Errorf("%v: disturbed for %s, want %s", c.faults, took, c.want)
			}
		})
	}
}

// TestFaultsWaitForRecovery: faults follow each other as they were drawn, but
// none is begun while lanes have stood still for long since one before it.
func TestFaultsWaitForRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		r := &run{
			Options: Options{Every: 4 * time.Second}, feed: &feed{}, progress: newProgress(nil, 1),
			table: &table{out: io.Discard, begun: begun}, failed: make(chan struct{}),
		}
		const from, to = 60 * time.Second, 200 * time.Second // the lane stands still
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		go func() {
			for epoch := int64(1); sleep(t.Context(), time.Second) == nil; epoch++ {
				if at := time.Since(begun); at < from || at > to {
					r.progress.mu.Lock()
					r.progress.row(0, epoch, false, true, time.Now(), make([]int64, 4))
					r.progress.mu.Unlock()
				}
			}
		}()
		r.disturb(ctx, t.Context(), NewSchedule(1, r.Every, 1, startWorkers, StormLate))
		if err := r.findings(); err != nil {
			t.Error(err)
		}
		before, after := 0, 0
		for _, h := range r.table.mu.list {
			switch at := h.begun.Sub(begun); {
			case at < from:
				before++
			case at > to:
				after++
			case at > from+patience+10*time.Second: // a storm holds as long
				t.Errorf("a fault was begun after %s, the lane stands still since %s", at, from)
			}
		}
		if before < 5 || after < 5 {
			t.Errorf("%d faults before the lane stood still, %d after", before, after)
		}
	})
}
