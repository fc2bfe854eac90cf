package deadletters

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
)

// Show writes everything about the letters of one position; it reports false if
// there is none.
func Show(ctx context.Context, q Querier, voc *schemas.Vocabulary, p records.Position, w io.Writer) (bool, error) {
	list, err := At(ctx, q, p)
	if err != nil || len(list) == 0 {
		return false, err
	}
	before, err := readEarlier(ctx, q, []records.Position{p}, nil)
	if err != nil {
		return false, err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range list {
		l := &list[i]
		if i > 0 {
			fmt.Fprintln(tw)
		}
		fmt.Fprintf(tw, "position\t%s\n", l.Position)
		fmt.Fprintf(tw, "received\t%s\n", l.Received.UTC().Format(time.RFC3339Nano))
		fmt.Fprintf(tw, "lane, epoch\t%d, %d\n", l.Lane, l.Epoch)
		fmt.Fprintf(tw, "reason\t%s\n", l.Reason)
		if l.Field != "" {
			fmt.Fprintf(tw, "field\t%s\n", l.Field)
		}
		if l.Table != "" {
			fmt.Fprintf(tw, "refused by\t%s, row %d\n", l.Table, l.Row)
		}
		fmt.Fprintf(tw, "detail\t%s\n", l.Detail)
		if l.EventID != "" {
			fmt.Fprintf(tw, "event id\t%s\n", l.EventID)
		}
		if l.Type != "" {
			fmt.Fprintf(tw, "type\t%s\n", l.Type)
		}
		fmt.Fprintf(tw, "key\t%q\n", l.Key)
		fmt.Fprintf(tw, "size\t%s\n", size(l))
		if at, ok := before.letters[p]; ok {
			fmt.Fprintf(tw, "replayed\tas %s\n", at)
		}
		fmt.Fprintf(tw, "today\t%s\n", today(voc, l))
	}
	if err := tw.Flush(); err != nil {
		return true, err
	}
	_, err = fmt.Fprintf(w, "\n%s\n", pretty(list[0].Value))
	return true, err
}

func size(l *Letter) string {
	switch {
	case l.whole():
		return fmt.Sprintf("%d bytes", l.ValueBytes)
	case len(l.Value) >= schemas.MaxLetterBytes:
		return fmt.Sprintf("%d bytes, the first %d are kept", l.ValueBytes, len(l.Value))
	}
	return fmt.Sprintf("%d bytes, personal data was removed", l.ValueBytes)
}

// today judges what the letter keeps against the configuration in force.
func today(voc *schemas.Vocabulary, l *Letter) string {
	topic, ok := records.TopicOf(l.Topic, voc.Topics)
	switch {
	case !ok:
		return "its topic is not configured"
	case len(l.Value) < int(l.ValueBytes) && len(l.Value) >= schemas.MaxLetterBytes:
		return "cannot be judged: the letter does not have the whole record"
	}
	if x := schemas.Explain(voc, topic, l.Value); x != nil {
		return fmt.Sprintf("refused: %s %s: %s", x.Reason, x.Field, x.Detail)
	}
	return "accepted as it stands here"
}
