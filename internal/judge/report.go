package judge

import (
	"errors"
	"fmt"
	"strings"
)

// Report is the verdict. Everything from Lost on must be 0.
type Report struct {
	Records  int // in both topics
	Events   int // accepted, each counted once
	Copies   int // further copies of accepted events
	Letters  int // records that must be set aside
	Late     int // events that the store flags late, of both topics
	TooLate  int
	Refused  int // facts that the table refused and that stand as dead letters
	Orders   int
	Sessions int

	Lost          int // accepted events without a fact
	Duplicated    int // facts beyond the first of an event
	Invented      int // facts of events that nobody sent
	Wrong         int // facts that say something else than their event, or that do not come of its first copy
	LettersWrong  int // dead letters that are missing, doubled, of another reason, or of nothing
	LinesWrong    int // order lines, refunds and late events that are missing, too many or different
	LatenessWrong int // events flagged late that are not, or the other way round
	OrdersWrong   int // orders whose amounts or days differ, and business days whose totals do
	SessionsWrong int // sessions that differ, are missing or too many

	errors []string
}

// mostErrors bounds what is listed in words per kind of fault.
const mostErrors = 10

// fail counts a fault and keeps the first ones in words.
func (r *Report) fail(kind *int, format string, args ...any) {
	*kind++
	switch {
	case *kind <= mostErrors:
		r.errors = append(r.errors, fmt.Sprintf(format, args...))
	case *kind == mostErrors+1:
		r.errors = append(r.errors, "… and more of the same kind")
	}
}

// OK says that nothing is lost, nothing doubled and nothing wrong.
func (r *Report) OK() bool {
	return r.Lost+r.Duplicated+r.Invented+r.Wrong+r.LettersWrong+r.LinesWrong+r.LatenessWrong+r.OrdersWrong+r.SessionsWrong == 0
}

// Err is nil if OK, else says the summary and the first faults.
func (r *Report) Err() error {
	if r.OK() {
		return nil
	}
	return errors.New(strings.Join(append([]string{r.String()}, r.errors...), "\n"))
}

// String is the verdict on one line.
func (r *Report) String() string {
	s := fmt.Sprintf("records=%d events=%d copies=%d letters=%d late=%d too_late=%d orders=%d sessions=%d lost=%d duplicated=%d sessions_wrong=%d",
		r.Records, r.Events, r.Copies, r.Letters, r.Late, r.TooLate, r.Orders, r.Sessions, r.Lost, r.Duplicated, r.SessionsWrong)
	for _, c := range []struct {
		name string
		n    int
	}{
		{"refused", r.Refused},
		{"invented", r.Invented},
		{"wrong", r.Wrong},
		{"letters_wrong", r.LettersWrong},
		{"lines_wrong", r.LinesWrong},
		{"lateness_wrong", r.LatenessWrong},
		{"orders_wrong", r.OrdersWrong},
	} {
		if c.n > 0 {
			s += fmt.Sprintf(" %s=%d", c.name, c.n)
		}
	}
	return s
}
