package transform

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

var updateFlag = flag.Bool("update", false, "rewrite the golden output in testdata")

// Scripts tell stories: lines of input, then after --- the rows that each
// epoch wrote, then the sessions that stand at the end.
//
//	HH:MM:SS[.mmm] [+1d] visitor kind [page] [user=ann] [channel=live] [platform=h5] [order=o1] [seq=1] [id=x] [test] [bot] [arrives=HH:MM:SS sent=HH:MM:SS]
//	HH:MM:SS order.created o1 [visitor=u1] [user=ann] [amount=100] [created=HH:MM:SS] [type=imported] [version=2] [test]
//	repeat N HH:MM:SS every 1s u1 page_view
//	epoch             ends the epoch
//	watermark HH:MM:SS [+1d]  ends the epoch with this watermark
//	restart           ends the epoch and goes on from a snapshot
//
// Times are of the shop, Asia/Shanghai, on 2026-11-11, or days later with +Nd.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for i, part := range strings.Split(string(text), "\n== ") {
				if i > 0 {
					got.WriteString("\n== ")
				}
				if i == 0 {
					got.WriteString(part)
					continue
				}
				input, _, _ := strings.Cut(part, "\n---\n")
				got.WriteString(strings.TrimRight(input, "\n"))
				title, body, _ := strings.Cut(input, "\n")
				t.Run(title, func(t *testing.T) {
					got.WriteString("\n---\n" + runScript(t, body))
				})
			}
			if *updateFlag {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(got.String(), string(text)); d != "" {
				t.Errorf("%s: got (-), want (+); -update rewrites it:\n%s", file, d)
			}
		})
	}
}

var shopMidnight = time.Date(2026, 11, 10, 16, 0, 0, 0, time.UTC).UnixMilli()

type script struct {
	*lane
	t    *testing.T
	rows oracle.Rows
	text strings.Builder
	who  map[string]string // visitor id → name
	ids  int
}

func runScript(t *testing.T, body string) string {
	s := &script{lane: newLane(t, testVocabulary(t), DefaultSettings()), t: t, who: map[string]string{}}
	for _, line := range strings.Split(body, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if w := strings.Fields(line); len(w) > 0 {
			s.line(w)
		}
	}
	s.finish(0)
	s.finish(s.state.CloseAllWatermark())
	fmt.Fprintln(&s.text, "live:")
	for _, x := range s.rows.Live() {
		fmt.Fprintln(&s.text, " ", s.session(x))
	}
	return s.text.String()
}

func (s *script) line(w []string) {
	switch w[0] {
	case "epoch":
		s.finish(0)
	case "watermark":
		s.finish(s.time(w[1], w[2:]))
	case "restart":
		s.finish(0)
		s.reopen()
	case "repeat": // repeat N TIME every D rest
		n, err := strconv.Atoi(w[1])
		every, err2 := time.ParseDuration(w[4])
		if err != nil || err2 != nil {
			s.t.Fatalf("%v: %v %v", w, err, err2)
		}
		at := s.time(w[2], w)
		for i := range n {
			s.event(at+int64(i)*every.Milliseconds(), w[5:])
		}
	default:
		s.event(s.time(w[0], w), w[1:])
	}
}

func (s *script) time(clock string, words []string) int64 {
	layout := "15:04:05"
	at, err := time.Parse(layout, clock)
	if err != nil {
		s.t.Fatalf("time %q: %v", clock, err)
	}
	ms := shopMidnight + at.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)).Milliseconds()
	for _, w := range words {
		if days, ok := strings.CutPrefix(w, "+"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(days, "d"))
			if err != nil {
				s.t.Fatalf("days %q: %v", w, err)
			}
			ms += int64(n) * day
		}
	}
	return ms
}

func (s *script) event(at int64, words []string) {
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.HasPrefix(w, "+") })
	s.ids++
	id := fmt.Sprint("e", s.ids)
	option := map[string]string{}
	var plain []string
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			option[k] = v
		} else {
			plain = append(plain, w)
		}
	}
	if option["id"] != "" {
		id = option["id"]
	}
	number := func(k string) int64 { n, _ := strconv.ParseInt(option[k], 10, 64); return n }
	if kind := slices.Index(schemas.KindNames[:], plain[0]); kind >= int(schemas.KindOrderCreated) {
		x := sale{order: plain[1], visitor: option["visitor"], user: option["user"], id: id, at: at, kind: schemas.Kind(kind), version: uint64(number("version")), test: slices.Contains(plain, "test"), currency: option["currency"]}
		x.orderType = uint8(max(0, slices.Index(schemas.OrderTypeNames, option["type"])))
		switch x.kind {
		case schemas.KindOrderCreated:
			x.payable, x.created = number("amount"), at
		case schemas.KindOrderPaid:
			x.paid, x.paidAt = number("amount"), at
		}
		if option["created"] != "" {
			x.created = s.time(option["created"], nil)
		}
		s.sale(&x)
		return
	}
	c := click{
		visitor: plain[0], user: option["user"], id: id, order: option["order"], at: at, sequence: uint64(number("seq")),
		kind: schemas.Kind(max(1, slices.Index(schemas.KindNames[:], plain[1]))), test: slices.Contains(plain, "test"), bot: slices.Contains(plain, "bot"),
		channel:  uint8(max(1, slices.Index(schemas.ChannelNames, option["channel"]))),
		platform: uint8(max(0, slices.Index(schemas.PlatformNames, option["platform"]))),
	}
	if len(plain) > 2 {
		c.page = uint8(max(0, slices.Index(schemas.PageTypeNames, plain[2])))
	}
	if option["arrives"] != "" {
		c.received = s.time(option["arrives"], nil)
	}
	if option["kafka"] != "" {
		c.stamp = s.time(option["kafka"], nil)
	}
	if option["sent"] != "" {
		c.sent = s.time(option["sent"], nil)
	}
	s.who[fmt.Sprint(visitorID(c.visitor))] = c.visitor
	s.click(&c)
}

// finish ends the epoch and tells what it wrote.
func (s *script) finish(watermark int64) {
	out := s.end(watermark)
	var lines []string
	for i := range out.Sessions.Offset {
		one := schemas.NewSessions(s.v)
		copyRow(one, out.Sessions, i)
		var r oracle.Rows
		r.Add(one)
		name := s.who[fmt.Sprint(out.Sessions.Visitor[i])]
		if out.Sessions.IsDeleted[i] != 0 {
			into := "nothing"
			for k, id := range out.Sessions.Session {
				if id == out.Sessions.MergedInto[i] {
					into = shopTime(out.Sessions.Start[k])
				}
			}
			if into == "nothing" && out.Sessions.MergedInto[i] != (schemas.ID{}) {
				into = "an earlier row"
			}
			lines = append(lines, fmt.Sprintf("  - %s %s merged into %s", name, shopTime(out.Sessions.Start[i]), into))
			continue
		}
		lines = append(lines, "  + "+s.session(r.Live()[0]))
	}
	for i := range out.Late.Offset {
		lines = append(lines, fmt.Sprintf("  late: %s %s %s", out.Late.EventID.At(i), shopTime(out.Late.Time[i]), schemas.LateClassNames[out.Late.Class.Index[i]]))
	}
	for topic, n := range out.Counts.Duplicates {
		if n > 0 {
			lines = append(lines, fmt.Sprintf("  duplicates: %d on %s", n, schemas.TopicNames[topic]))
		}
	}
	for i, m := range []*schemas.Metric{s.r.SessionsStarted, s.r.SessionsMerged, s.r.SessionsClosed, s.r.SessionsBounced, s.r.OrdersPlaced, s.r.OrdersPaid, s.r.StateCut} {
		n := int64(0)
		for k := range m.Series() {
			n += out.Deltas.Tenants[0][m.Slot()+k]
		}
		if n != 0 {
			lines = append(lines, fmt.Sprintf("  %s: %d", [...]string{"started", "merged", "closed", "bounced", "placed", "paid", "cut"}[i], n))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(&s.text, "epoch %d:\n%s\n", s.epoch, strings.Join(lines, "\n"))
	}
	s.rows.Add(out.Sessions)
	s.next()
}

// copyRow copies row i by keeping only it.
func copyRow(dst, src *schemas.Sessions, i int) {
	keep := make([]bool, src.Rows())
	keep[i] = true
	from, to := src.Columns(), dst.Columns()
	for k := range from {
		switch c := from[k].(type) {
		case *schemas.Fixed[uint8]:
			to[k].(*schemas.Fixed[uint8]).Append((*c)[i])
		case *schemas.Fixed[uint16]:
			to[k].(*schemas.Fixed[uint16]).Append((*c)[i])
		case *schemas.Fixed[uint32]:
			to[k].(*schemas.Fixed[uint32]).Append((*c)[i])
		case *schemas.Fixed[uint64]:
			to[k].(*schemas.Fixed[uint64]).Append((*c)[i])
		case *schemas.Fixed[int64]:
			to[k].(*schemas.Fixed[int64]).Append((*c)[i])
		case *schemas.Fixed[schemas.ID]:
			to[k].(*schemas.Fixed[schemas.ID]).Append((*c)[i])
		case *schemas.NullTimes:
			to[k].(*schemas.NullTimes).Append((*c)[i])
		case *schemas.Dict:
			to[k].(*schemas.Dict).Append(c.Index[i])
		case *schemas.Lists:
			to[k].(*schemas.Lists).Append(c.Values[c.Offsets[i]:c.Offsets[i+1]])
		default:
			panic(fmt.Sprintf("BUG: column of type %T", c))
		}
	}
}

// session tells one session in a line, leaving out what is at rest.
func (s *script) session(x oracle.Session) string {
	name := x.Visitor
	for id, who := range s.who {
		if strings.HasPrefix(fmt.Sprint(visitorID(who)), "[") && id == fmt.Sprint(visitorID(who)) && uuidOf(who) == x.Visitor {
			name = who
		}
	}
	day := newDays(s.v)
	line := fmt.Sprintf("%s %s %s–%s %d events %d views max=%s", name, time.Unix(int64(day[0].date(x.Start))*86400, 0).UTC().Format("01-02"),
		shopTime(x.Start), shopTime(x.End), x.Events, x.PageViews, schemas.StageNames[x.MaxStage])
	add := func(on bool, format string, args ...any) {
		if on {
			line += " " + fmt.Sprintf(format, args...)
		}
	}
	add(x.Landing != 0, "landing=%s exit=%s", schemas.PageTypeNames[x.Landing], schemas.PageTypeNames[x.Exit])
	add(x.Channel > 1, "channel=%s", schemas.ChannelNames[x.Channel])
	add(x.User != 0, "user=%s", map[uint64]string{hash("ann"): "ann", hash("bob"): "bob"}[x.User])
	add(x.Orders > 0, "orders=%d paid=%d placed=%d money=%d%s", x.Orders, x.OrdersPaid, x.Placed, x.Paid, schemas.CurrencyNames()[x.Currency])
	add(x.Bounce, "bounce")
	add(x.Engaged, "engaged")
	add(x.CartSkipped, "cart-skipped")
	add(x.Bot, "bot")
	add(x.Test, "test")
	add(x.Approx, "approximate")
	add(!x.Closed, "open")
	return line
}

func uuidOf(visitor string) string {
	id := visitorID(visitor)
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func shopTime(t int64) string {
	s := time.UnixMilli(t).UTC().Add(8 * time.Hour).Format("15:04:05.000")
	return strings.TrimSuffix(s, ".000")
}
