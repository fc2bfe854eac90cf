package transform

import (
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// eventTime corrects a producer's clock: an explicit pair of sent and received
// times removes its error, and an event far ahead of its arrival takes the
// arrival's time (docs/events.md, Times). It is pure, so that the watermark can be computed
// before the batch is applied.
func eventTime(t, sent, received, stamp int64, explicit uint8) (corrected int64, clamped bool) {
	t = statedTime(t, sent, received, explicit)
	if at := arrivedAt(received, stamp); t > at+futureBound {
		return at, true
	}
	return t, false
}

// arrivedAt is when the record was there by the earlier of two clocks, the
// collector's and Kafka's: a time ahead of either is in doubt. A collector's time
// behind Kafka's is no less usual than one before it, because connectors may
// write the event's time into the Kafka timestamp: it corrects the client's
// clock as it stands, and only what comes of it is held against both.
func arrivedAt(received, stamp int64) int64 {
	if stamp != 0 && stamp < received {
		return stamp
	}
	return received
}

// statedTime is what the producer says, its clock's error removed if it can be.
func statedTime(t, sent, received int64, explicit uint8) int64 {
	if sent > 0 && explicit != 0 {
		return received - (sent - t)
	}
	return t
}

// payloadTime bounds a time that the payload states (created_at, paid_at).
// received is the fact's: the arrival, if any time of the event lies beyond it.
func payloadTime(t, received int64) int64 {
	if t > received+futureBound {
		return received
	}
	return t
}

// days gives business dates of one tenant. The zone's offset is remembered per
// quarter of an hour: every transition of a zone lies on such a boundary.
type days struct {
	loc   *time.Location
	cache [64]struct {
		quarter int64
		offset  int64
		known   bool
	}
}

const quarterHour = 15 * minute

// date is the local date of t as days since 1970.
func (d *days) date(t int64) uint16 {
	q := floorDiv(t, quarterHour)
	c := &d.cache[q&63]
	if !c.known || c.quarter != q {
		_, offset := time.UnixMilli(q * quarterHour).In(d.loc).Zone()
		c.quarter, c.offset, c.known = q, int64(offset)*second, true
	}
	return uint16(floorDiv(t+c.offset, day))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func newDays(v *schemas.Vocabulary) []days {
	out := make([]days, len(v.Tenants))
	for i, t := range v.Tenants {
		out[i].loc = t.Location
		if t.Location == nil {
			out[i].loc = time.UTC
		}
	}
	return out
}
