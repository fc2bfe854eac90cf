package transform

import (
	"encoding/binary"
	"testing"

	"github.com/storepulse/storepulse/schemas"
)

// An epoch has room for so many rows of sessions. Those that the watermark
// closes beyond it close in the next one, whose watermark need not be higher.
func TestMoreSessionsThanAnEpochHasRoomFor(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	const sessions = maxRows + 1000
	for n := range uint64(sessions) {
		c := click{id: "e", at: noon, kind: schemas.KindPageView}
		binary.BigEndian.PutUint64(c.anyVisitor[:], (n+1)*0x9e3779b97f4a7c15)
		l.click(&c)
		if l.batch.Events.Rows() == 100_000 || n == sessions-1 {
			l.end(0)
			l.next()
		}
	}
	for _, want := range []int{sessions - maxRows - 1, 0} {
		closed := l.end(l.state.CloseAllWatermark()).Sessions.Rows()
		if open, _ := l.state.Sessions(); open != want {
			t.Errorf("%d rows written, %d sessions open; want %d", closed, open, want)
		}
	}
}
