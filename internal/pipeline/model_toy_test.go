package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// The toy stages: small enough to run millions of epochs, and with a state
// digest in every row, so that a wrong state shows as a wrong row.

var modelVocabulary = func() *schemas.Vocabulary {
	v, err := schemas.NewVocabulary([schemas.NumTopics]string{"c", "o"}, []schemas.Tenant{{ID: "default", Location: time.UTC, Currency: "CNY"}}, nil, nil)
	if err != nil {
		panic(err)
	}
	return v
}()

var modelRegister = schemas.NewRegister(modelVocabulary)

type toyDecoder struct{}

// Decode makes an order line of every record; the toy engine decides what it is.
func (toyDecoder) Decode(t schemas.Topic, r *schemas.Record, b *schemas.Batch) schemas.Reason {
	appendZero(b.Items.Columns())
	n := b.Items.Rows() - 1
	b.Items.Topic.Index[n] = uint8(t)
	b.Items.Offset[n] = r.Offset
	replaceLast(&b.Items.ItemID, r.Value)
	return schemas.ReasonNone
}

func replaceLast(c *schemas.Strings, v []byte) {
	n := len(c.Offsets) - 2
	c.Data = append(c.Data[:c.Offsets[n]], v...)
	c.Offsets[n+1] = int32(len(c.Data))
}

func appendZero(cols []schemas.Column) {
	for _, c := range cols {
		switch c := c.(type) {
		case *schemas.Fixed[int64]:
			c.Append(0)
		case *schemas.Fixed[uint64]:
			c.Append(0)
		case *schemas.Fixed[uint32]:
			c.Append(0)
		case *schemas.Fixed[uint16]:
			c.Append(0)
		case *schemas.Fixed[uint8]:
			c.Append(0)
		case *schemas.Fixed[schemas.ID]:
			c.Append(schemas.ID{})
		case *schemas.NullTimes:
			c.Append(0)
		case *schemas.Strings:
			c.Append(nil)
		case *schemas.Dict:
			c.Append(0)
		case *schemas.Lists:
			c.Append(nil)
		default:
			panic(fmt.Sprintf("no zero for %T", c))
		}
	}
}

// toyEngine folds ids and watermarks into a digest.
type toyEngine struct {
	wm   int64
	hash uint64
	n    int64
	salt uint64 // the settings in force
	open int64  // of n: an epoch without input has room for toyRoom that close

	waits []uint64 // ids that wait for a rebuild
	found *toyFound
}

const toyRoom = 3

func restoreToy(b []byte) (Engine, error) {
	if len(b) < 40 || len(b)%8 != 0 {
		return nil, errors.New("not a toy")
	}
	e := &toyEngine{wm: int64(binary.BigEndian.Uint64(b)), hash: binary.BigEndian.Uint64(b[8:]), n: int64(binary.BigEndian.Uint64(b[16:])), salt: binary.BigEndian.Uint64(b[24:])}
	e.open = int64(binary.BigEndian.Uint64(b[32:]))
	for b = b[40:]; len(b) > 0; b = b[8:] {
		e.waits = append(e.waits, binary.BigEndian.Uint64(b))
	}
	return e, nil
}

func (e *toyEngine) Snapshot(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.wm))
	dst = binary.BigEndian.AppendUint64(dst, e.hash)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.n))
	dst = binary.BigEndian.AppendUint64(dst, e.salt)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.open))
	for _, id := range e.waits {
		dst = binary.BigEndian.AppendUint64(dst, id)
	}
	return dst
}

func (e *toyEngine) Watermark() int64         { return e.wm }
func (e *toyEngine) CloseAllWatermark() int64 { return e.wm + 1 }
func (e *toyEngine) NextWatermark(b *schemas.Batch) int64 {
	return max(e.wm, e.n+int64(b.Items.Rows()))
}

// Suspects: the toy remembers no id at all, and only old records are copied.
func (e *toyEngine) Suspects(b *schemas.Batch, dst *transform.Suspects) {
	*dst = transform.Suspects{}
	seen := map[string]bool{}
	for i := range b.Items.Rows() {
		r, topic, offset := parseRecord(b.Items.ItemID.At(i)), b.Items.Topic.Index[i], b.Items.Offset[i]
		if !r.old {
			continue
		}
		key := fmt.Sprint(topic, " ", r.id)
		if seen[key] {
			dst.Copies[topic] = append(dst.Copies[topic], offset)
		} else {
			dst.Ask[topic] = append(dst.Ask[topic], schemas.EventRef{Offset: offset, ID: []byte(strconv.Itoa(r.id))})
		}
		seen[key] = true
	}
}

func (e *toyEngine) MayLack()                      {}
func (e *toyEngine) Bytes() int64                  { return 24 }
func (e *toyEngine) Gauges(*schemas.Deltas, int64) {}
func (e *toyEngine) Sessions() (int, int)          { return int(e.open), int(e.n) }

func (e *toyEngine) Apply(version int, in transform.Input, out *transform.Output) error {
	out.Late.Reset()
	out.Sessions.Reset()
	out.Counts = transform.Counts{}
	items := in.Batch.Items
	keep := make([]bool, items.Rows())
	texts := make([]string, len(keep))
	for i := range keep {
		r := parseRecord(items.ItemID.At(i))
		topic, offset := items.Topic.Index[i], items.Offset[i]
		bad := r.bad1
		if version == 2 {
			bad = r.bad2
		}
		text := fmt.Sprintf("%d e%d wm%d h%x", r.id, in.Epoch, e.wm, e.hash)
		if bad {
			in.Batch.Letters.AppendRefused(schemas.Topic(topic), offset, 0, 0, text, nil)
			replaceLast(&in.Batch.Letters.RefusedTable, nil)
			continue
		}
		if slices.Contains(in.Copies[topic], offset) {
			out.Counts.Duplicates[topic]++
			continue
		}
		keep[i], texts[i] = true, text
		out.Counts.Facts[topic]++
		if id := uint64(r.id % 3); id != 0 && !slices.Contains(e.waits, id) {
			e.waits = append(e.waits, id)
		}
		if r.id%2 == 1 {
			appendZero(out.Late.Columns())
			n := out.Late.Rows() - 1
			out.Late.Topic.Index[n], out.Late.Offset[n] = topic, offset
			replaceLast(&out.Late.EventID, []byte(text))
		}
		e.hash = e.hash*31 + uint64(r.id) + e.salt<<32
		e.n++
		e.open++
	}
	if len(keep) == 0 {
		e.open -= min(e.open, toyRoom)
	}
	items.Keep(keep)
	items.ItemID.Reset()
	for i, k := range keep {
		if k {
			items.ItemID.AppendString(texts[i])
		}
	}
	e.wm = in.Watermark
	e.hash = e.hash*17 + uint64(in.Watermark)*3 + uint64(version)
	return nil
}

// fakeSource reads the fake log.
type fakeSource struct{ p *proc }

func (s *fakeSource) Next(ctx context.Context, from schemas.Positions) (*ingest.Input, error) {
	w := s.p.w
	for {
		s.p.step()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var r schemas.Ranges
		for t := range from {
			if from[t] < w.start[t] {
				return nil, ingest.ErrRetention
			}
			r[t] = schemas.Range{Start: from[t], End: from[t]}
			if rest := int64(len(w.log[t])) - from[t]; rest > 0 {
				r[t].End += w.r.Int63n(min(3, rest) + 1)
			}
		}
		if !r.Empty() {
			s.p.idle = false
			return s.read(r), nil
		}
		if from[0] >= int64(len(w.log[0])) && from[1] >= int64(len(w.log[1])) {
			s.p.idle = true
			if s.p.lane.draining.Load() {
				return &ingest.Input{Ranges: r}, nil
			}
			if w.f.idle && w.r.Intn(6) == 0 && !w.quiet {
				return &ingest.Input{Ranges: r, Idle: 2 * time.Millisecond}, nil
			}
		}
	}
}

func (s *fakeSource) Read(_ context.Context, r schemas.Ranges) (*ingest.Input, error) {
	s.p.step()
	for t := range r {
		if r[t].Len() > 0 && r[t].Start < s.p.w.start[t] {
			return nil, ingest.ErrRetention
		}
	}
	return s.read(r), nil
}

func (s *fakeSource) read(r schemas.Ranges) *ingest.Input {
	in := &ingest.Input{Ranges: r}
	for t := range r {
		for o := r[t].Start; o < r[t].End; o++ {
			v := s.p.w.log[t][o].value()
			in.Records[t] = append(in.Records[t], schemas.Record{Offset: o, Value: v})
			in.CRC = crc32.Update(in.CRC, crc32.IEEETable, v)
		}
	}
	return in
}

func (s *fakeSource) Bounds(context.Context) (start, end schemas.Positions, err error) {
	s.p.step()
	return s.p.w.start, schemas.Positions{int64(len(s.p.w.log[0])), int64(len(s.p.w.log[1]))}, nil
}

func (s *fakeSource) Close() error { return nil }
