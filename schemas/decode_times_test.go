package schemas

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Whatever a producer and a broker state, the times that are left lie where a
// business date of 16 bits can hold them; the rest is a dead letter.
func TestTimesHaveABusinessDate(t *testing.T) {
	v := testVocabulary(t)
	judged := func(times string, stamp int64) string {
		t.Helper()
		b := NewBatch(v)
		value := strings.Replace(smallEvent, `"time":"2026-03-01T09:30:00.123+08:00"`, times, 1)
		if value == smallEvent {
			t.Fatal("the sample has another time")
		}
		if r := NewDecoder(v).Decode(Clickstream, &Record{Value: []byte(value), Timestamp: stamp}, b); r != ReasonNone {
			return fmt.Sprintf("%s %s: %s", r, b.Letters.Field.At(0), b.Letters.Detail.At(0))
		}
		e := b.Events
		return fmt.Sprintf("received %s explicit %d stamp %s", moment(e.Received[0]), e.Explicit[0], moment(e.Stamp[0]))
	}
	const (
		noTime  = "bad_time receivedtime: is absent, and the record has no Kafka timestamp from the year 2015 on; want one of them"
		wrapped = "bad_time senttime: time corrected by it, receivedtime - (senttime - time), lies before the year 2015; want the client's clock in both time and senttime"
	)
	for _, c := range []struct {
		times string
		stamp int64
		want  string
	}{
		{`"time":"2026-01-01T00:00:00Z","receivedtime":"2026-01-01T00:00:00Z","senttime":"2082-01-02T12:00:00Z"`, arrival, wrapped},
		{`"time":"2026-01-01T00:00:00Z","receivedtime":"2015-01-01T00:00:00Z","senttime":"2026-01-03T00:00:00Z"`, arrival, wrapped},
		{`"time":"2026-01-01T00:00:00Z","receivedtime":"2026-01-01T00:00:00Z","senttime":"2099-12-31T23:59:59Z"`, arrival, wrapped},
		{`"time":"2026-01-01T00:00:00Z","senttime":"2082-01-02T12:00:00Z"`, arrival, "received 2026-03-01T01:30:03Z explicit 0 stamp 2026-03-01T01:30:03Z"},
		{`"time":"2026-01-01T00:00:00Z"`, 0, noTime},
		{`"time":"2026-01-01T00:00:00Z","receivedtime":""`, -1, noTime},
		{`"time":"2026-01-01T00:00:00Z"`, Earliest - 1, noTime},
		{`"time":"2015-01-01T00:00:00+23:59"`, Earliest, "received 2014-12-31T00:00:00Z explicit 0 stamp 2014-12-31T00:00:00Z"},
		{`"time":"2026-01-01T00:00:00Z","receivedtime":"2026-01-01T00:00:01Z"`, -1, "received 2026-01-01T00:00:01Z explicit 1 stamp 1970-01-01T00:00:00Z"},
		{`"time":"2026-01-01T00:00:00Z","receivedtime":"2099-01-01T00:00:01Z"`, arrival, "received 2099-01-01T00:00:01Z explicit 1 stamp 2026-03-01T01:30:03Z"},
		{`"time":"2026-01-01T00:00:00Z"`, 1 << 62, "received 2099-12-31T23:59:59.999Z explicit 0 stamp 2099-12-31T23:59:59.999Z"},
	} {
		if got := judged(c.times, c.stamp); got != c.want {
			t.Errorf("%s in a record of %d:\n got %s\nwant %s", c.times, c.stamp, got, c.want)
		}
	}
}

func moment(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

// A Kafka timestamp that nobody has checked gives a letter a date, too.
func TestLettersOfAnyTimestamp(t *testing.T) {
	for stamp, want := range map[int64]string{
		-1: "1970-01-01T00:00:00Z 0", arrival: "2026-03-01T01:30:03Z 20513",
		1 << 62: "2099-12-31T23:59:59.999Z 47481", -1 << 63: "1970-01-01T00:00:00Z 0",
	} {
		l := NewLetters(testVocabulary(t))
		l.AppendRefused(Clickstream, 7, FactEvents, 3, "no", &Record{Timestamp: stamp, Value: []byte("{}")})
		if got := fmt.Sprintf("%s %d", moment(l.Received[0]), l.Day[0]); got != want {
			t.Errorf("timestamp %d: %s, want %s", stamp, got, want)
		}
	}
}
