package schemas

import "testing"

// A producer writes its fields in one order: from its second event on no name
// is looked up, neither at the top nor in items. Here the tables are taken away.
func TestNamesAreGuessedFromTheEventBefore(t *testing.T) {
	v := testVocabulary(t)
	for name, value := range map[string]string{"flat": smallEvent, "with items": richEvent} {
		d, b := NewDecoder(v), NewBatch(v)
		r := &Record{Value: []byte(value), Timestamp: arrival}
		if reason := d.Decode(Clickstream, r, b); reason != ReasonNone {
			t.Fatalf("%s: %s", name, reason)
		}
		extra := string(b.Events.Extra.At(0))
		if d.itemsBy = newNames(nil); extra == "" { // an unknown name is always looked up
			d.fieldsBy = newNames(nil)
		}
		if reason := d.Decode(Clickstream, r, b); reason != ReasonNone {
			t.Errorf("%s: %s %s %s: a name was not guessed", name, reason, b.Letters.Field.At(0), b.Letters.Detail.At(0))
			continue
		}
		if got, want := string(b.Events.ItemID.At(1)), string(b.Events.ItemID.At(0)); got != want {
			t.Errorf("%s: first item %q, want %q", name, got, want)
		}
	}
}
