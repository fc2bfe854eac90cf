package e2e

import (
	"strconv"
	"strings"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// expect reads the records with the decoder alone, without engine or store.
func (s *shop) expect(events []gen.Event) expectation {
	s.t.Helper()
	want := expectation{facts: [2]map[string]bool{{}, {}}, letters: map[string]int{}}
	batch, decoder := s.decoder()
	for i := range events {
		e := &events[i]
		batch.Reset()
		if reason := decoder.Decode(e.Topic, &schemas.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time.UnixMilli()}, batch); reason != schemas.ReasonNone {
			want.letters[reason.String()]++
			continue
		}
		id := string(batch.Events.Source.Data) + " " + string(batch.Events.EventID.Data)
		if e.Topic == schemas.OrdersTopic {
			id = string(batch.Orders.Source.Data) + " " + string(batch.Orders.EventID.Data)
		}
		want.facts[e.Topic][id] = true
	}
	return want
}

func (s *shop) decoder() (*schemas.Batch, *schemas.Decoder) {
	s.t.Helper()
	voc, err := s.cfg.Vocabulary()
	if err != nil {
		s.t.Fatal(err)
	}
	return schemas.NewBatch(voc), schemas.NewDecoder(voc)
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// wantCount asks for a number and compares it.
func (s *shop) wantCount(query string, want int) {
	s.t.Helper()
	if got := s.ask(query); got != strconv.Itoa(want) {
		s.t.Errorf("%s: got %s, want %d", query, got, want)
	}
}
