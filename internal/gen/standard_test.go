package gen

import (
	"encoding/json"
	"testing"
)

func TestStandardEventsHaveTheirSize(t *testing.T) {
	views := Standard315(1, 1000, start)
	mixed := Standard(1, 1000, start)
	if got := meanSize(views); got < 300 || got > 330 {
		t.Errorf("views have %d bytes on average, want about 315", got)
	}
	var carts []Event
	for i := 9; i < len(mixed); i += 10 {
		carts = append(carts, mixed[i])
	}
	if got := meanSize(carts); got < 760 || got > 860 {
		t.Errorf("carts have %d bytes on average, want about 800", got)
	}
	var fields map[string]any
	if err := json.Unmarshal(views[0].Value, &fields); err != nil {
		t.Fatal(err)
	}
	if len(fields) != 14 {
		t.Errorf("a view has %d fields, want 14: %s", len(fields), views[0].Value)
	}
	t.Logf("%s\n%s", views[0].Value, carts[0].Value)
}

func meanSize(events []Event) int {
	sum := 0
	for _, e := range events {
		sum += len(e.Value)
	}
	return sum / len(events)
}
