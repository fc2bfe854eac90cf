package deadletters

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"

	"github.com/storepulse/storepulse/internal/records"
)

// exported is one line of an export. Bytes that are not UTF-8 go as base64.
type exported struct {
	records.Position
	Reason      string            `json:"reason"`
	Field       string            `json:"field"`
	Detail      string            `json:"detail"`
	EventID     string            `json:"event_id,omitempty"`
	Type        string            `json:"event_type,omitempty"`
	Key         string            `json:"key"`
	KeyBase64   string            `json:"key_base64,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Value       string            `json:"value"`
	ValueBase64 string            `json:"value_base64,omitempty"`
	ValueBytes  uint32            `json:"value_bytes"`
	Whole       bool              `json:"whole"` // false: cut, or personal data removed
	Received    time.Time         `json:"received_at"`
	Table       string            `json:"refused_table,omitempty"`
}

// Export streams the chosen letters as JSON lines. Headers are not kept in
// letters; they come from Kafka, if one is given and still has the record.
func Export(ctx context.Context, q Querier, k Kafka, f Filter, w io.Writer) (n int, err error) {
	out := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	err = pages(ctx, q, f, func(page []Letter) error {
		var originals map[records.Position]*records.Record
		if k != nil {
			want := make([]records.Position, len(page))
			for i := range page {
				want[i] = page[i].Position
			}
			if originals, err = k.Read(ctx, want); err != nil {
				return err
			}
		}
		for i := range page {
			l := &page[i]
			e := exported{
				Position: l.Position, Reason: l.Reason, Field: l.Field, Detail: l.Detail, EventID: l.EventID, Type: l.Type,
				ValueBytes: l.ValueBytes, Whole: l.whole(), Received: l.Received.UTC(), Table: l.Table,
			}
			e.Key, e.KeyBase64 = textOf(l.Key)
			e.Value, e.ValueBase64 = textOf(l.Value)
			if r := originals[l.Position]; r != nil && isOriginal(l, r) {
				e.Headers = make(map[string]string, len(r.Headers))
				for _, h := range r.Headers {
					e.Headers[h.Key] = string(h.Value)
				}
			}
			if err := enc.Encode(&e); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	return n, out.Flush()
}

func textOf(b []byte) (text, encoded string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return "", base64.StdEncoding.EncodeToString(b)
}
