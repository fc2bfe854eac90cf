package transform

import (
	"fmt"
	"testing"
)

// The newest three days are kept, whatever day comes: also the last that 16
// bits can hold, beside the first.
func TestKeptDays(t *testing.T) {
	for _, c := range []struct {
		days []uint16
		want string
	}{
		{[]uint16{10, 11, 12, 13, 12, 9}, "11:1 12:2 13:1"},
		{[]uint16{10, 13, 11}, "11:1 13:1"},
		{[]uint16{20454, 65534}, "65534:1"},
		{[]uint16{65534, 20454, 65535, 0}, "65534:1 65535:1"},
		{[]uint16{65533, 65534, 65535, 65533}, "65533:2 65534:1 65535:1"},
		{[]uint16{0, 65535, 1}, "65535:1"},
	} {
		var p perDay
		for i, day := range c.days {
			p.add(day, 1, visitorID(fmt.Sprint(i)))
		}
		got := ""
		for _, d := range p.days {
			got += fmt.Sprintf(" %d:%d", d.day, p.count(d.day, 1))
		}
		if got != " "+c.want {
			t.Errorf("%d: kept%s, want %s", c.days, got, c.want)
		}
	}
}
