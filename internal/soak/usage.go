package soak

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// rss reads a process's resident memory in bytes, 0 if it is gone.
func rss(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// page reads what a worker exports; ok is false if it does not answer.
func page(ctx context.Context, addr string) (text string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return "", false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err == nil
}

// total adds up the samples of a metric that have the label, if one is given;
// ok is false if there is none.
func total(page, metric, label string) (sum float64, ok bool) {
	for line := range strings.Lines(page) {
		rest, found := strings.CutPrefix(strings.TrimSpace(line), metric)
		if !found || rest == "" || rest[0] != '{' && rest[0] != ' ' || !strings.Contains(rest, label) {
			continue
		}
		if v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64); err == nil {
			sum, ok = sum+v, true
		}
	}
	return sum, ok
}

// sample is one look at the workers.
type sample struct {
	workers   int
	rss       int64         // of the largest worker
	lag       float64       // messages, as the workers say; in seconds it means nothing here, the shop's days are long past
	visible   bool          // some worker said its lag
	oldest    time.Duration // age of the oldest worker that answered
	agreed    float64       // comparisons of ledger and tables that the workers made
	failed    float64       // those that the store did not answer
	imbalance float64       // rows by which they found them to differ
}

func (r *run) look(ctx context.Context) sample {
	var s sample
	for _, w := range r.workers.alive() {
		s.workers++
		s.rss = max(s.rss, rss(w.pid()))
		text, ok := page(ctx, w.metrics)
		if !ok {
			continue
		}
		s.oldest = max(s.oldest, time.Since(w.started))
		if v, ok := total(text, "ecom_kafka_consumer_lag_messages", ""); ok {
			s.lag += v
			s.visible = true
		}
		agreed, _ := total(text, "ecom_ledger_checks_total", `outcome="agree"`)
		failed, _ := total(text, "ecom_ledger_checks_total", `outcome="failed"`)
		differ, _ := total(text, "ecom_ledger_imbalance_events", "")
		s.agreed, s.failed, s.imbalance = s.agreed+agreed, s.failed+failed, s.imbalance+differ
	}
	return s
}

// watched is how old a worker must be to have compared ledger and tables at
// least twice: one comparison may have met a store that is down.
const watched = 150 * time.Second

// selfChecks fails the run for what the workers' own comparisons say. Workers
// that are killed every minute make none: then there is nothing to demand.
func (r *run) selfChecks(most sample) error {
	if most.imbalance > 0 {
		return fmt.Errorf("workers found ledger and tables to differ by %.0f rows", most.imbalance)
	}
	r.table.printf("workers compared ledger and tables %.0f times, %.0f times without an answer; the oldest lived for %.0fs", most.agreed, most.failed, most.oldest.Seconds())
	if most.agreed == 0 && most.failed == 0 && most.oldest > watched {
		return fmt.Errorf("a worker lived for %.0fs and never compared ledger and tables", most.oldest.Seconds())
	}
	return nil
}
