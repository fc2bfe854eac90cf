package soak

import (
	"context"
	"fmt"
	"time"
)

// What a worker may take while nothing can be written: it reads ahead one
// epoch a lane and no more.
const outageMemory = 600 << 20

// outage takes the store away under load: workers must stay within their
// memory, live, show their lag, and catch up afterwards.
func (r *run) outage(ctx context.Context) {
	before := r.look(ctx)
	r.table.printf("the store is down for %s; the largest worker has %d MB, lag %.0f messages", r.Outage, before.rss>>20, before.lag)
	f := Fault{Number: 1, Kind: StoreKill, Hold: r.Outage}
	h := r.table.begin(f)
	if err := r.store.child().Kill(); err != nil {
		r.found(err)
		return
	}
	var most sample
	for end := time.Now().Add(r.Outage); time.Now().Before(end) && sleep(ctx, time.Second) == nil; {
		s := r.look(ctx)
		most.rss, most.lag, most.visible = max(most.rss, s.rss), max(most.lag, s.lag), most.visible || s.visible
	}
	sent := r.feed.sent.Load()
	if err := r.store.start(context.WithoutCancel(ctx)); err != nil {
		r.found(err)
		return
	}
	back := time.Now()
	r.table.end(h, back)
	r.table.printf("the store is back; largest worker %d MB, greatest lag %.0f messages", most.rss>>20, most.lag)
	if most.rss > outageMemory {
		r.found(fmt.Errorf("a worker took %d MB while the store was down, at most %d MB", most.rss>>20, outageMemory>>20))
	}
	if !most.visible || most.lag <= before.lag {
		r.found(fmt.Errorf("the store was down for %s and no lag was seen: %.0f messages before, at most %.0f", r.Outage, before.lag, most.lag))
	}
	r.recover(ctx, h, back)
	for r.progress.taken() < sent {
		if time.Since(back) > stuck+r.Outage {
			r.found(fmt.Errorf("%s after the store came back the lanes have not caught up: %d of %d records", time.Since(back).Round(time.Second), r.progress.taken(), sent))
			return
		}
		if sleep(ctx, 200*time.Millisecond) != nil {
			return
		}
	}
	r.table.printf("caught up %.1fs after the store came back", time.Since(back).Seconds())
}
