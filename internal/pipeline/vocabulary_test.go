package pipeline

import (
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// TestVocabularyChange: an epoch in doubt is never repeated under other lists
// of tenants or types: rows would get other numbers and records another fate.
func TestVocabularyChange(t *testing.T) {
	w := &world{r: rand.New(rand.NewSource(1)), f: faults{window: 10}, lost: map[schemas.RowPosition]bool{}, clock: time.Unix(1_700_000_000, 0), quiet: true}
	for id := range 5 {
		w.log[0] = append(w.log[0], logRecord{id: id + 1})
	}
	first := w.spawn(1)
	for len(w.tables[tEpochs]) == 0 && w.bad == "" {
		first.advance()
		w.deliver()
	}
	first.kill()
	first.dead = true

	changed, err := schemas.NewVocabulary(modelVocabulary.Topics, modelVocabulary.Tenants, []string{"wish"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	second := w.spawn(1)
	second.vocabulary = changed
	for n := 0; !second.dead && n < 10000; n++ {
		second.advance()
		w.deliver()
	}
	if second.err == nil || !strings.Contains(second.err.Error(), "under another configuration") {
		t.Fatalf("the lane ended with %v, want a refusal that names the configuration", second.err)
	}

	w.bad = ""
	third := w.spawn(1)
	for n := 0; !w.finished() && n < 20000 && w.bad == ""; n++ {
		third.advance()
		w.deliver()
	}
	w.check()
	third.kill()
	if w.bad != "" {
		t.Errorf("with the former configuration back: %s", w.bad)
	}
}
