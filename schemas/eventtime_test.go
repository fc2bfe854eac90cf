package schemas

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	read := func(text, want string) {
		t.Helper()
		ms, ok := parseTime([]byte(text))
		got := "refused"
		if ok {
			got = time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	read("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.000Z")
	read("2026-03-01T09:30:00+08:00", "2026-03-01T01:30:00.000Z")
	read("2026-03-01T01:30:00-05:30", "2026-03-01T07:00:00.000Z")
	read("2026-03-01T09:30:00.1Z", "2026-03-01T09:30:00.100Z")
	read("2026-03-01T09:30:00.123999999Z", "2026-03-01T09:30:00.123Z") // cut, not rounded
	read("2026-03-01T09:30:00.1234567890Z", "refused")
	read("2026-03-01T09:30:00.Z", "refused")
	read("2028-02-29T23:59:59Z", "2028-02-29T23:59:59.000Z")
	read("2026-02-29T00:00:00Z", "refused")
	read("2100-02-29T00:00:00Z", "refused")
	read("2016-12-31T23:59:60Z", "refused") // a leap second has no place in Unix time
	read("2026-03-01T24:00:00Z", "refused")
	read("2026-03-01T09:60:00Z", "refused")
	read("2026-00-01T09:30:00Z", "refused")
	read("2026-13-01T09:30:00Z", "refused")
	read("2026-03-00T09:30:00Z", "refused")
	read("2014-12-31T23:59:59Z", "refused") // unset clocks
	read("1970-01-01T00:00:00Z", "refused")
	read("2031-06-01T00:00:00Z", "2031-06-01T00:00:00.000Z") // the transform corrects it
	read("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z")
	read("2026-03-01T09:30:00", "refused")
	read("2026-03-01 09:30:00Z", "refused")
	read("2026-03-01T09:30:00+0800", "refused")
	read("2026-03-01T09:30:00+24:00", "refused")
	read("20x6-03-01T09:30:00Z", "refused")
	read("1772328600", "refused")
	read("", "refused")
}

// Any time in any offset is what the standard library says.
func TestTimeAgainstStandardLibrary(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		offset := time.FixedZone("", (rnd.IntN(2*1439)-1439)*60)
		want := time.Unix(1420156800+rnd.Int64N(250_000_000_000), rnd.Int64N(1e9)).In(offset)
		text := want.Format(time.RFC3339Nano)
		if want.Year() > 9999 {
			continue
		}
		if got, ok := parseTime([]byte(text)); !ok || got != want.UnixMilli() {
			t.Fatalf("%s: got %d (%v), want %d", text, got, ok, want.UnixMilli())
		}
	}
}
