package transform

import "slices"

// A wheel finds what is due at a watermark. Its entries are linked through the
// values themselves in buckets of about eight seconds; an entry may sit in an
// earlier bucket than it is due, never in a later one. The order inside a
// bucket is an accident of history, so whoever takes entries sorts them.
type wheel struct {
	heads  map[int32]uint32
	cursor int32 // no bucket below it is filled
	links  func(s *State, i uint32) (next, prev *uint32, bucket *int32)
}

const (
	bucketShift       = 13
	unqueued    int32 = -1 << 31
)

// bucketOf maps Unix ms to a bucket; beyond the year 2527 all share the last one.
func bucketOf(t int64) int32 { return int32(max(min(t>>bucketShift, 1<<31-2), -1<<31+1)) }

func newWheel(links func(*State, uint32) (*uint32, *uint32, *int32)) wheel {
	return wheel{heads: map[int32]uint32{}, cursor: unqueued, links: links}
}

// queue puts the entry where it is found no later than t.
func (w *wheel) queue(s *State, i uint32, t int64) {
	b := max(bucketOf(t), w.cursor)
	next, prev, bucket := w.links(s, i)
	if *bucket == b {
		return
	}
	if *bucket != unqueued {
		w.unlink(s, i)
	}
	head := w.heads[b]
	*next, *prev, *bucket = head, 0, b
	if head != 0 {
		_, p, _ := w.links(s, head)
		*p = i
	}
	w.heads[b] = i
}

// later queues the entry, but leaves it where it is if that is early enough.
func (w *wheel) later(s *State, i uint32, t int64) {
	if _, _, bucket := w.links(s, i); *bucket != unqueued && *bucket <= bucketOf(t) {
		return
	}
	w.queue(s, i, t)
}

func (w *wheel) remove(s *State, i uint32) {
	if _, _, bucket := w.links(s, i); *bucket != unqueued {
		w.unlink(s, i)
	}
}

func (w *wheel) unlink(s *State, i uint32) {
	next, prev, bucket := w.links(s, i)
	if *prev != 0 {
		n, _, _ := w.links(s, *prev)
		*n = *next
	} else if *next != 0 {
		w.heads[*bucket] = *next
	} else {
		delete(w.heads, *bucket)
	}
	if *next != 0 {
		_, p, _ := w.links(s, *next)
		*p = *prev
	}
	*next, *prev, *bucket = 0, 0, unqueued
}

// take unlinks everything in buckets up to t's and appends it to dst.
func (w *wheel) take(s *State, t int64, dst []uint32) []uint32 {
	end := bucketOf(t)
	if end < w.cursor || len(w.heads) == 0 {
		w.cursor = max(w.cursor, end)
		return dst
	}
	if int64(end)-int64(w.cursor) > int64(len(w.heads)) {
		var due []int32
		for b := range w.heads {
			if b <= end {
				due = append(due, b)
			}
		}
		slices.Sort(due)
		for _, b := range due {
			dst = w.empty(s, b, dst)
		}
	} else {
		for b := w.cursor; b <= end; b++ {
			dst = w.empty(s, b, dst)
		}
	}
	w.cursor = end // the bucket of t itself may be filled again
	return dst
}

func (w *wheel) empty(s *State, b int32, dst []uint32) []uint32 {
	i, ok := w.heads[b]
	if !ok {
		return dst
	}
	delete(w.heads, b)
	for i != 0 {
		dst = append(dst, i)
		next, prev, bucket := w.links(s, i)
		i, *next, *prev, *bucket = *next, 0, 0, unqueued
	}
	return dst
}
