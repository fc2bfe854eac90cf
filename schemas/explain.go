package schemas

// Rejection says why an event is not accepted.
type Rejection struct {
	Reason Reason
	Field  string // JSON path, empty for the record as a whole
	Detail string // what is wrong and what would be right
}

// Explain judges one plain JSON event as the worker would; nil means that it
// is right.
func Explain(v *Vocabulary, t Topic, value []byte) *Rejection {
	b := NewBatch(v)
	if len(value) == 0 {
		return &Rejection{ReasonBadJSON, "", "the event is empty; on the topic it would be a tombstone, counted and ignored"}
	}
	reason := NewDecoder(v).Decode(t, &Record{Value: value}, b)
	if reason == ReasonNone {
		return nil
	}
	return &Rejection{reason, string(b.Letters.Field.At(0)), string(b.Letters.Detail.At(0))}
}

// TopicOf finds the topic of a plain JSON event by its type, which may be in
// short or long form and of any version.
func TopicOf(v *Vocabulary, value []byte) (Topic, bool) {
	d := NewDecoder(v)
	if !d.scan(value, Clickstream) {
		return 0, false
	}
	i := d.types.find(d.text(fType))
	if i < 0 {
		return 0, false
	}
	return d.kinds[i].kind.Topic(), true
}
