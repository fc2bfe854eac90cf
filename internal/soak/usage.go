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

// scrape adds up the samples of a metric that a worker exports; ok is false if
// it does not answer or has no such sample.
func scrape(ctx context.Context, addr, metric string) (sum float64, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return 0, false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, false
	}
	for _, line := range strings.Split(string(b), "\n") {
		if rest, found := strings.CutPrefix(line, metric); found && rest != "" && (rest[0] == '{' || rest[0] == ' ') {
			if v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64); err == nil {
				sum, ok = sum+v, true
			}
		}
	}
	return sum, ok
}

// sample is one look at the workers.
type sample struct {
	workers int
	rss     int64   // of the largest worker
	lag     float64 // messages, as the workers say; in seconds it means nothing here, the shop's days are long past
	visible bool    // some worker said its lag
}

func (r *run) look(ctx context.Context) sample {
	var s sample
	for _, w := range r.workers.alive() {
		s.workers++
		s.rss = max(s.rss, rss(w.pid()))
		if v, ok := scrape(ctx, w.metrics, "ecom_kafka_consumer_lag_messages"); ok {
			s.lag += v
			s.visible = true
		}
	}
	return s
}
