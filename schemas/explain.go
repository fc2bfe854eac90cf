package schemas

// Rejection says why an event is not accepted.
type Rejection struct {
	Reason Reason
	Field  string // JSON path, empty for the record as a whole
	Detail string // what is wrong and what would be right
}

// Explain judges one plain JSON event as the worker would, who finds it in a
// record with a timestamp; nil means that it is right.
func Explain(v *Vocabulary, t Topic, value []byte) *Rejection {
	b := NewBatch(v)
	if len(value) == 0 {
		return &Rejection{ReasonBadJSON, "", "the event is empty; on the topic it would be a tombstone, counted and ignored"}
	}
	reason := NewDecoder(v).Decode(t, &Record{Value: value, Timestamp: Earliest}, b)
	if reason == ReasonNone {
		return nil
	}
	return &Rejection{reason, string(b.Letters.Field.At(0)), string(b.Letters.Detail.At(0))}
}
