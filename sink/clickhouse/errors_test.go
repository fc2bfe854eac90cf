package clickhouse

import (
	"errors"
	"testing"

	"github.com/storepulse/storepulse/sink"
)

func TestOutcomeOfExceptions(t *testing.T) {
	fence := "Code: 469. DB::Exception: Constraint `fenced` for table a.b (uuid) is violated at row 1."
	for _, row := range []struct {
		code int
		text string
		want class
	}{
		{469, fence, classFenced},
		{469, "Code: 469. DB::Exception: Constraint `sane` for table a.b is violated", classRefused},
		{6, "cannot parse", classRefused},
		{6, "cannot parse: while pushing to view a.fact_orders_feed", classUnknown},
		{202, "too many simultaneous queries", classNotApplied},
		{241, "memory limit exceeded", classNotApplied},
		{252, "too many parts", classNotApplied},
		{516, "authentication failed", classNotApplied},
		{159, "timeout exceeded", classUnknown},
		{210, "network error", classUnknown},
		{319, "unknown status of insert", classUnknown},
		{394, "query was cancelled", classUnknown},
		{424242, "a code of the future", classUnknown},
	} {
		got, err := outcome("t", row.code, row.text)
		if got != row.want {
			t.Errorf("code %d %q is %s, want %s", row.code, row.text, classNames[got], classNames[row.want])
		}
		var refused *sink.RefusedError
		is := map[class]bool{
			classFenced: errors.Is(err, sink.ErrFenced), classRefused: errors.As(err, &refused),
			classNotApplied: errors.Is(err, sink.ErrNotApplied), classUnknown: errors.Is(err, sink.ErrUnknown),
		}
		for c, yes := range is {
			if yes != (c == row.want) {
				t.Errorf("code %d: error %v answers wrongly to %s", row.code, err, classNames[c])
			}
		}
	}
	if got := codeOf("(version 1)\nCode: 252. DB::Exception: x"); got != 252 {
		t.Errorf("code in the text: %d", got)
	}
}
