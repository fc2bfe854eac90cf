package checkpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func newStore(t testing.TB) (*checkpoint.Store, *clickhouse.Client) {
	t.Helper()
	cfg := clickhouse.DefaultConfig()
	cfg.URL, cfg.Database = engine(t), fmt.Sprintf("t_%d", time.Now().UnixNano())
	c, err := clickhouse.New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return checkpoint.NewStore(c, "test"), c
}

// engine gives the URL of a real ClickHouse engine: a server that the
// environment names, else the embedded one.
func engine(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("STOREPULSE_TEST_CLICKHOUSE"); url != "" {
		return url
	}
	return devtest.ClickHouse(t)
}

func TestMain(m *testing.M) { devtest.Main(m) }

func plan(term, seq, epoch uint64, prev schemas.ID) checkpoint.Plan {
	p := checkpoint.Plan{
		Lane: 4, Term: term, Seq: seq, Epoch: epoch, Prev: prev, Identity: "cluster/x/y",
		Ranges: schemas.Ranges{{Start: int64(epoch) * 100, End: int64(epoch)*100 + 100}, {Start: int64(epoch) * 10, End: int64(epoch)*10 + 10}},
		CRC:    0xdeadbeef, Watermark: -9_000_000_000_000_000 + int64(epoch), Transform: 3,
		Snapshot: checkpoint.SnapshotRef{Epoch: epoch / 2, Plan: schemas.ID{byte(epoch)}},
		Done:     []checkpoint.TableCount{{Table: schemas.FactEvents, Rows: 12}, {Table: schemas.DeadLetters, Rows: uint32(epoch)}},
		Ledger: checkpoint.Counts{
			Facts: [2]int64{1, 2}, Duplicates: [2]int64{3, 4}, Letters: [2]int64{5, 6}, Tombstones: [2]int64{7, 8},
			Late: [2]int64{9, 10}, Lost: [2]int64{11, 12}, Absent: [2]int64{13, 14},
		},
	}
	p.ID = p.Hash()
	return p
}

func write(t *testing.T, s *checkpoint.Store, p checkpoint.Plan) {
	t.Helper()
	if err := s.WritePlan(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
}

func TestTheGreatestTermOwnsTheLane(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	for i, term := range []uint64{0, 7<<32 | 5, 8<<32 | 1, 6 << 32} {
		if term > 0 {
			if err := s.Claim(ctx, 4, term, "w", 4); err != nil {
				t.Fatal(err)
			}
		}
		want := []uint64{0, 7<<32 | 5, 8<<32 | 1, 8<<32 | 1}[i]
		owner, err := s.Owner(ctx, 4)
		greatest, err2 := s.MaxTerm(ctx, 4)
		if err != nil || err2 != nil || owner != want || greatest != want {
			t.Errorf("after claim %d: owner %d, greatest %d, want %d (%v, %v)", i, owner, greatest, want, err, err2)
		}
	}
	// A claim repeats no other: the same row twice is two rows, and the same owner.
	for range 2 {
		if err := s.Claim(ctx, 5, 9, "w", 4); err != nil {
			t.Fatal(err)
		}
	}
	if owner, err := s.Owner(ctx, 5); err != nil || owner != 9 {
		t.Errorf("owner of lane 5: %d, %v", owner, err)
	}
}

func TestTheLedgerGivesPlansBackAlongTheirChain(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	if head, err := s.Head(ctx, 4); head != nil || err != nil {
		t.Fatalf("head of an empty ledger: %v, %v", head, err)
	}
	if err := s.Claim(ctx, 4, 1, "w", 4); err != nil {
		t.Fatal(err)
	}
	one := plan(1, 1, 1, schemas.ID{})
	one.Done, one.Ledger = nil, checkpoint.Counts{}
	two := plan(1, 2, 2, one.ID)
	void := plan(1, 3, 3, two.ID)
	void.CRC++
	void.ID = void.Hash()
	write(t, s, one)
	write(t, s, two)
	write(t, s, two) // a repeat under the same token
	write(t, s, void)
	if err := s.Claim(ctx, 4, 2, "w", 4); err != nil {
		t.Fatal(err)
	}
	if err := s.WritePlan(ctx, &void); !errors.Is(err, sink.ErrFenced) {
		t.Errorf("plan of the former owner: %v", err)
	}
	three := plan(2, 1, 3, two.ID)
	three.Kind = checkpoint.KindGap
	three.Copies = [schemas.NumTopics][]int64{{300, 302}, nil}
	three.ID = three.Hash()
	write(t, s, three)
	four := plan(2, 2, 4, three.ID)
	four.Done = []checkpoint.TableCount{} // done, and no row in any table
	write(t, s, four)
	done := four
	done.Seq, done.Kind = 3, checkpoint.KindDone
	done.Done = []checkpoint.TableCount{{Table: schemas.FactSessions, Rows: 1}}
	write(t, s, done)

	head, err := s.Head(ctx, 4)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(head, &done); d != "" {
		t.Errorf("head (-got, +want):\n%s", d)
	}
	chain, err := s.Chain(ctx, 4, head, 1)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(chain, []checkpoint.Plan{one, two, three, done}); d != "" {
		t.Errorf("chain (-got, +want):\n%s", d)
	}
	if chain, err = s.Chain(ctx, 4, head, 5); err != nil || len(chain) != 0 {
		t.Errorf("chain after the head: %v, %v", chain, err)
	}
	// The plan after the done row says it once more; the chain wants the plan itself.
	five := plan(2, 4, 5, four.ID)
	five.Kind, five.Copies = checkpoint.KindRebuild, [schemas.NumTopics][]int64{nil, {50}}
	five.ID = five.Hash()
	write(t, s, five)
	if head, err = s.Head(ctx, 4); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(head, &five); d != "" {
		t.Errorf("head of a rebuild (-got, +want):\n%s", d)
	}
	if chain, err = s.Chain(ctx, 4, &five, 4); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(chain, []checkpoint.Plan{four, five}); d != "" {
		t.Errorf("chain over a done row (-got, +want):\n%s", d)
	}
	lost := plan(2, 5, 7, schemas.ID{9})
	if _, err := s.Chain(ctx, 4, &lost, 2); !errors.Is(err, checkpoint.ErrBrokenChain) {
		t.Errorf("chain with a hole: %v", err)
	}
	if term, err := s.MaxTerm(ctx, 4); err != nil || term != 2 {
		t.Errorf("greatest term: %d, %v", term, err)
	}
}

// A plan's id covers what decides the facts. The id of a plan without copies is
// pinned: tokens and ledgers of earlier releases hold such ids.
func TestPlanIDs(t *testing.T) {
	base := plan(1, 1, 3, schemas.ID{1})
	if got := fmt.Sprintf("%x", base.Hash()); got != "d3ec8406c684df14e2bf677604a5fc13" {
		t.Errorf("id of a plan without copies: %s", got)
	}
	seen := map[schemas.ID]string{base.Hash(): "base"}
	for name, change := range map[string]func(p *checkpoint.Plan){
		"gap":               func(p *checkpoint.Plan) { p.Kind = checkpoint.KindGap },
		"rebuild":           func(p *checkpoint.Plan) { p.Kind = checkpoint.KindRebuild },
		"a copied click":    func(p *checkpoint.Plan) { p.Copies[schemas.Clickstream] = []int64{7} },
		"a copied order":    func(p *checkpoint.Plan) { p.Copies[schemas.OrdersTopic] = []int64{7} },
		"two copied clicks": func(p *checkpoint.Plan) { p.Copies[schemas.Clickstream] = []int64{7, 8} },
		"one of each":       func(p *checkpoint.Plan) { p.Copies = [schemas.NumTopics][]int64{{7}, {8}} },
		"watermark":         func(p *checkpoint.Plan) { p.Watermark++ },
	} {
		p := base
		change(&p)
		if other := seen[p.Hash()]; other != "" {
			t.Errorf("%s has the id of %s", name, other)
		}
		seen[p.Hash()] = name
	}
	for kind := range checkpoint.KindNames {
		k := checkpoint.Kind(kind)
		p, done := base, base
		p.Kind, done.Kind = k.WithoutDone(), k.WithDone()
		if p.Hash() != done.Hash() || p.Kind.Done() || !done.Kind.Done() || p.Kind.Gap() != done.Kind.Gap() || p.Kind.Rebuild() != done.Kind.Rebuild() {
			t.Errorf("%s: %s and %s do not belong together", checkpoint.KindNames[k], checkpoint.KindNames[p.Kind], checkpoint.KindNames[done.Kind])
		}
	}
}

func TestThreeSnapshotsStay(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	for _, lane := range []uint32{4, 5} {
		if err := s.Claim(ctx, lane, 1, "w", 4); err != nil {
			t.Fatal(err)
		}
		for epoch := range uint64(6) {
			body := []byte(strings.Repeat(fmt.Sprintf("lane %d state %d \x00\xff", lane, epoch), 50_000))
			sn := &checkpoint.Snapshot{Lane: lane, Term: 1, SnapshotRef: checkpoint.SnapshotRef{Epoch: epoch + 1, Plan: schemas.ID{byte(epoch), 7}}, Body: body}
			if err := s.SaveSnapshot(ctx, sn); err != nil {
				t.Fatal(err)
			}
			got, err := s.LoadSnapshot(ctx, lane, sn.SnapshotRef)
			if err != nil {
				t.Fatal(err)
			}
			if got == nil || !bytes.Equal(got.Body, body) || got.Lane != lane || got.Term != 1 || got.SnapshotRef != sn.SnapshotRef {
				t.Errorf("snapshot of lane %d after epoch %d came back different", lane, epoch+1)
			}
		}
	}
	refs, err := s.Snapshots(ctx, 4)
	if err != nil {
		t.Fatal(err)
	}
	want := []checkpoint.SnapshotRef{{Epoch: 6, Plan: schemas.ID{5, 7}}, {Epoch: 5, Plan: schemas.ID{4, 7}}, {Epoch: 4, Plan: schemas.ID{3, 7}}}
	if d := cmp.Diff(refs, want); d != "" {
		t.Errorf("snapshots (-got, +want):\n%s", d)
	}
	if sn, err := s.LoadSnapshot(ctx, 4, checkpoint.SnapshotRef{Epoch: 1, Plan: schemas.ID{0, 7}}); sn != nil || err != nil {
		t.Errorf("a dropped snapshot: %v, %v", sn, err)
	}
	if err := s.Claim(ctx, 4, 2, "w", 4); err != nil {
		t.Fatal(err)
	}
	old := &checkpoint.Snapshot{Lane: 4, Term: 1, SnapshotRef: checkpoint.SnapshotRef{Epoch: 9}, Body: []byte("x")}
	if err := s.SaveSnapshot(ctx, old); !errors.Is(err, sink.ErrFenced) {
		t.Errorf("snapshot of the former owner: %v", err)
	}
}

// An insert of a former owner whose body has not ended passed the fence when it
// began: the drain waits for it, and kills it when it lasts too long.
func TestDrainWaitsForAnInsertThatBeganBeforeTheFence(t *testing.T) {
	s, c := newStore(t)
	ctx := t.Context()
	if err := s.Claim(ctx, 4, 1, "old", 4); err != nil {
		t.Fatal(err)
	}
	slow := func(term uint64, tag string) (finish func() int) {
		pr, pw := io.Pipe()
		u := engine(t) + "/?" + url.Values{
			"database": {c.Database()}, "query_id": {tag}, "log_comment": {tag},
			"query": {"INSERT INTO snapshots (lane, term, epoch, plan_id, body) FORMAT JSONEachRow"},
		}.Encode()
		status := make(chan int, 1)
		go func() {
			resp, err := devtest.HTTP.Post(u, "", pr)
			if err != nil {
				status <- 0
				return
			}
			resp.Body.Close()
			status <- resp.StatusCode
		}()
		fmt.Fprintf(pw, `{"lane":4,"term":%d,"epoch":1,"plan_id":"00000000-0000-0000-0000-000000000001","body":"x"}`+"\n", term)
		ended := make(chan struct{})
		go func() { // a server does not wait long for the next piece of a body
			for {
				select {
				case <-ended:
					pw.Close()
					return
				case <-time.After(5 * time.Second):
					fmt.Fprintln(pw)
				}
			}
		}()
		return func() int { close(ended); return <-status }
	}
	finish := slow(1, "storepulse/test/4/1/77")
	others := slow(1, "storepulse/test/44/1/77") // of another lane
	wait := func(and string, want uint64) {
		t.Helper()
		for ctx, cancel := context.WithTimeout(ctx, 90*time.Second); ; {
			var n uint64
			if err := c.Conn().QueryRow(ctx, "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO snapshots%' AND Settings['log_comment'] LIKE 'storepulse/test/4%/1/77' "+and).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n == want {
				cancel()
				return
			}
		}
	}
	wait("", 2)
	if err := s.Claim(ctx, 4, 2, "new", 4); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := s.Drain(short, 4, 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain over a running insert: %v", err)
	}
	if err := s.Drain(ctx, 4, 1); err != nil { // not older than term 1
		t.Errorf("drain of term 1: %v", err)
	}
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(ctx, 4, 2) }()
	wait("AND is_cancelled", 1)
	select {
	case err := <-drained:
		t.Fatalf("drain ended before the killed insert did: %v", err)
	default:
	}
	if code := finish(); code == http.StatusOK {
		t.Error("a killed insert says that it was applied")
	}
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if refs, err := s.Snapshots(ctx, 4); err != nil || len(refs) != 0 {
		t.Errorf("a killed insert left %v (%v)", refs, err)
	}
	others()
}

// TestTheNewerOwnersEmptyStateCounts: before the first epoch two owners may
// save different states under the same reference.
func TestTheNewerOwnersEmptyStateCounts(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	for term, body := range []string{"settings of the first", "settings of the second"} {
		if err := s.Claim(ctx, 4, uint64(term+1), "w", 4); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveSnapshot(ctx, &checkpoint.Snapshot{Lane: 4, Term: uint64(term + 1), Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		sn, err := s.LoadSnapshot(ctx, 4, checkpoint.SnapshotRef{})
		if err != nil || sn == nil || string(sn.Body) != body {
			t.Fatalf("after owner %d: got %v, %v, want %q", term+1, sn, err, body)
		}
	}
}
