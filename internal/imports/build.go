package imports

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/storepulse/storepulse/internal/gen"
)

// build makes the events of a row or a group. If one of them cannot be made
// none is: half an order would be worse than a rejected one.
func (r *Reader) build(rows []row) {
	matched := false
	from := len(r.queue)
	for i := range r.m.events {
		t := &r.m.events[i]
		if !allHold(t.when, &rows[0]) {
			continue
		}
		matched = true
		e, err := r.event(t, i, rows)
		if err == nil {
			err = r.judge(&e)
		}
		if err != nil {
			r.queue = r.queue[:from]
			for range rows {
				r.report.reject(rows[0].line, t.name+": "+err.Error())
			}
			return
		}
		r.queue = append(r.queue, e)
	}
	if !matched {
		r.report.Unmatched += int64(len(rows))
		return
	}
	r.report.Imported += int64(len(rows))
	r.report.Cut += int64(len(rows) - len(r.listed(rows)))
	for _, e := range r.queue[from:] {
		r.report.Types[eventType(e.Value)]++
	}
}

// judge asks the decoder what the engine would say.
func (r *Reader) judge(e *gen.Event) error {
	if r.judged == nil {
		return nil
	}
	if x := r.judged.event(e.Topic, e.Value); x != nil {
		return fmt.Errorf("the engine would refuse it: %s %s: %s", x.Reason, x.Field, x.Detail)
	}
	return nil
}

func (r *Reader) event(t *template, number int, rows []row) (gen.Event, error) {
	first := &rows[0]
	at, err := t.time.read(first)
	if err != nil {
		return gen.Event{}, err
	}
	at = at.Add(t.after + r.m.shift + r.o.Shift).UTC().Truncate(time.Millisecond)
	if at.Year() < 2015 {
		return gen.Event{}, fmt.Errorf("time %s is before 2015, which the engine refuses: add shift: to the mapping", at.Format(time.RFC3339))
	}

	b := append(make([]byte, 0, 384), `{"id":`...)
	if t.id != nil {
		id, ok := t.id.text(first)
		if !ok || !utf8.ValidString(id) {
			return gen.Event{}, fmt.Errorf("id %q is empty or not UTF-8", clip(id))
		}
		b = appendString(b, id)
	} else {
		b = append(b, '"', 'L')
		b = strconv.AppendInt(b, first.line, 10)
		b = append(b, '-')
		b = append(strconv.AppendInt(b, int64(number), 10), '"')
	}
	b = append(b, `,"source":`...)
	b = appendString(b, r.m.Source)
	b = append(b, `,"type":`...)
	b = appendString(b, t.name)
	b = append(b, `,"time":"`...)
	b = append(at.AppendFormat(b, timeFormat), '"')

	key, err := keyOf(t, first)
	switch {
	case err != nil:
		return gen.Event{}, err
	case !utf8.ValidString(key):
		return gen.Event{}, fmt.Errorf("key %q is not UTF-8", clip(key))
	}
	b = append(b, `,"partitionkey":`...)
	b = appendString(b, key)
	for i := range t.fields {
		f := &t.fields[i]
		if f.items != nil {
			b = append(appendName(b, f.name), '[')
			if b, err = appendItems(b, f.items, r.listed(rows), at); err != nil {
				return gen.Event{}, err
			}
			b = append(b, ']')
			continue
		}
		if b, _, err = appendField(b, f, rows, at, ','); err != nil {
			return gen.Event{}, err
		}
	}
	return gen.Event{Topic: t.topic, Key: []byte(key), Value: append(b, '}'), Time: at}, nil
}

func appendName(b []byte, name string) []byte {
	return append(appendString(append(b, ','), name), ':')
}

// appendField writes separator, name and value, or nothing if there is no value.
func appendField(b []byte, f *field, rows []row, at time.Time, separator byte) ([]byte, bool, error) {
	from := len(b)
	b = append(appendString(append(b, separator), f.name), ':')
	b, ok, err := f.value.append(b, rows, at)
	if err != nil {
		return b, false, fmt.Errorf("%s: %w", f.name, err)
	}
	if !ok {
		return b[:from], false, nil
	}
	return b, true, nil
}

func appendItems(b []byte, fields []field, rows []row, at time.Time) ([]byte, error) {
	if len(rows) > maxItems {
		return b, fmt.Errorf("items: more than %d lines, which the engine refuses: group_by.over_200: cut keeps the first %d", maxItems, maxItems)
	}
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		separator := byte('{')
		for j := range fields {
			var written bool
			var err error
			if b, written, err = appendField(b, &fields[j], rows[i:i+1], at, separator); err != nil {
				return b, fmt.Errorf("items: %w", err)
			}
			if written {
				separator = ','
			}
		}
		if separator == '{' {
			return b, fmt.Errorf("items: line %d has no field with a value", rows[i].line)
		}
		b = append(b, '}')
	}
	return b, nil
}

// maxItems is the limit of docs/events.md, Clickstream events.
const maxItems = 200

// listed gives the rows whose items are written.
func (r *Reader) listed(rows []row) []row {
	if r.m.group != nil && r.m.group.cut && len(rows) > maxItems {
		return rows[:maxItems]
	}
	return rows
}

// keyOf gives the Kafka key: the visitor, so that what belongs together meets
// in one lane.
func keyOf(t *template, r *row) (string, error) {
	if t.key != nil {
		if s, ok := t.key.text(r); ok {
			return s, nil
		}
	}
	for _, name := range []string{"anonymous_id", "user_id", "order_id"} {
		for i := range t.fields {
			if f := &t.fields[i]; f.name == name && f.value != nil {
				if s, ok := f.value.text(r); ok {
					return s, nil
				}
			}
		}
	}
	return "", fmt.Errorf("no key: anonymous_id, user_id and order_id are empty")
}
