package imports

import "github.com/storepulse/storepulse/schemas"

// judge is the engine's decoder with a batch to decode into.
type judge struct {
	decoder *schemas.Decoder
	batch   *schemas.Batch
}

func newJudge(v *schemas.Vocabulary) *judge {
	return &judge{schemas.NewDecoder(v), schemas.NewBatch(v)}
}

// event says why the engine would set the event aside, nil if it would not. Its
// record will have a timestamp.
func (j *judge) event(t schemas.Topic, value []byte) *schemas.Rejection {
	j.batch.Reset()
	reason := j.decoder.Decode(t, &schemas.Record{Value: value, Timestamp: schemas.Earliest}, j.batch)
	if reason == schemas.ReasonNone {
		return nil
	}
	l := j.batch.Letters
	return &schemas.Rejection{Reason: reason, Field: string(l.Field.At(0)), Detail: string(l.Detail.At(0))}
}

// either judges an event whose topic is not known: its type decides. It gives
// the topic and, if the event is right, its type.
func (j *judge) either(value []byte) (schemas.Topic, string, *schemas.Rejection) {
	x := j.event(schemas.Clickstream, value)
	t := schemas.Clickstream
	if x != nil && x.Reason == schemas.ReasonWrongTopic {
		t = schemas.OrdersTopic
		x = j.event(t, value)
	}
	switch {
	case x != nil:
		return t, "", x
	case t == schemas.Clickstream:
		e := &j.batch.Events.Type
		return t, e.Names[e.Index[0]], nil
	}
	o := &j.batch.Orders.Type
	return t, o.Names[o.Index[0]], nil
}
