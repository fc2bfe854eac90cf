package schemas

// Earliest is where 2015 begins first on earth, Unix ms: no time that parseTime
// takes lies before it. What does comes from an unset clock, and so does a Kafka
// timestamp of 0 or -1.
const Earliest = 1_419_984_000_000

// readTimes reads when the event happened, was sent and came in. What the
// transform makes of them lies between 2015 and 2100 then: a business date has
// 16 bits.
func (d *Decoder) readTimes(r *Record) {
	d.time = d.timeOf(fTime, "")
	d.sent = d.timeOf(fSentTime, storedBefore)
	if d.stamp = storable(r.Timestamp); d.stamp < Earliest {
		d.stamp = 0
	}
	d.explicit = 1
	if d.received = d.timeOf(fReceivedTime, storedBefore); d.received == 0 {
		d.received, d.explicit = d.stamp, 0
		if d.stamp == 0 {
			d.note(ReasonBadTime, "receivedtime", "is absent, and the record has no Kafka timestamp from the year 2015 on; want one of them")
		}
		return
	}
	if d.sent != 0 && d.received-(d.sent-d.time) < Earliest {
		d.note(ReasonBadTime, "senttime", "time corrected by it, receivedtime - (senttime - time), lies before the year 2015; want the client's clock in both time and senttime")
	}
}

// storable brings a Kafka timestamp, which nobody has checked, into the range
// that the store can hold.
func storable(timestamp int64) int64 {
	const end = 4_102_444_800_000 // storedBefore
	return min(max(timestamp, 0), end-1)
}
