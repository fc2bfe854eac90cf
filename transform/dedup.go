package transform

import "github.com/storepulse/storepulse/schemas"

// dedup remembers the ids of accepted events of the orders topic for as long
// as a copy could still count twice. (Copies in the clickstream are found
// among their visitor's own events.)
type dedup struct {
	expires map[schemas.ID]int64 // last watermark at which the id counts
	buckets map[int64][]schemas.ID
	oldest  int64 // no bucket below it is filled
	spare   [][]schemas.ID
	cut     int64 // the bound took ids that would have counted, none beyond this
}

const dedupShift = 16 // buckets of about a minute

func newDedup() dedup {
	return dedup{expires: map[schemas.ID]int64{}, buckets: map[int64][]schemas.ID{}, oldest: never, cut: noFloor}
}

// seen reports a copy, or remembers the id until the given watermark.
func (d *dedup) seen(id schemas.ID, watermark, until int64) bool {
	if t, ok := d.expires[id]; ok && t >= watermark {
		return true
	}
	d.add(id, until)
	return false
}

// remembers says that seen would report a copy.
func (d *dedup) remembers(id schemas.ID, watermark int64) bool {
	t, ok := d.expires[id]
	return ok && t >= watermark
}

func (d *dedup) add(id schemas.ID, until int64) {
	d.expires[id] = until
	b := until >> dedupShift
	list, ok := d.buckets[b]
	if n := len(d.spare); !ok && n > 0 {
		list, d.spare = d.spare[n-1][:0], d.spare[:n-1]
	}
	d.buckets[b] = append(list, id)
	d.oldest = min(d.oldest, b)
}

// expire forgets what the watermark has passed, then the oldest ids beyond the
// bound, and says how many of those.
func (d *dedup) expire(watermark int64) (cut int64) {
	d.drain(watermark>>dedupShift, watermark)
	for len(d.expires) > maxDedup {
		was := len(d.expires)
		d.oldest = d.first()
		d.cut = max(d.cut, (d.oldest+1)<<dedupShift)
		d.drain(d.oldest+1, never)
		cut += int64(was - len(d.expires))
	}
	return cut
}

// drain empties the buckets below end of ids that expire before the watermark.
func (d *dedup) drain(end, watermark int64) {
	if d.oldest >= end || len(d.buckets) == 0 {
		return
	}
	if end-d.oldest > int64(len(d.buckets)) {
		for b := range d.buckets { // removal only: the order is nothing
			if b < end {
				d.clear(b, watermark)
			}
		}
	} else {
		for b := d.oldest; b < end; b++ {
			d.clear(b, watermark)
		}
	}
	d.oldest = d.first()
}

func (d *dedup) clear(b, watermark int64) {
	list, ok := d.buckets[b]
	if !ok {
		return
	}
	for _, id := range list {
		if t, ok := d.expires[id]; ok && t < watermark && t>>dedupShift == b {
			delete(d.expires, id)
		}
	}
	delete(d.buckets, b)
	if len(d.spare) < 8 {
		d.spare = append(d.spare, list)
	}
}

func (d *dedup) first() int64 {
	oldest := int64(never)
	for b := range d.buckets {
		oldest = min(oldest, b)
	}
	return oldest
}
