package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// cpuNow is the CPU time, user and system, that this process has used in all
// its threads.
func cpuNow() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("BUG: getrusage of this process: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// meter adds up the CPU time of what lies between start and stop, so that the
// preparation of input is left out.
type meter struct {
	began, sum time.Duration
}

func (m *meter) start() { m.began = cpuNow() }
func (m *meter) stop()  { m.sum += cpuNow() - m.began }

// perMillion is the meter's sum over so many events.
func (m *meter) perMillion(events int) float64 { return perMillion(m.sum, events) }

func perMillion(d time.Duration, events int) float64 {
	return d.Seconds() / float64(events) * 1e6
}

// clockTick is USER_HZ, which is 100 on every Linux there is.
const clockTick = 10 * time.Millisecond

// cpuOf is the CPU time of another process, all threads, from /proc.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(b)
}

// parseStat reads utime and stime, fields 14 and 15; the name in field 2 may
// hold anything, even parentheses.
func parseStat(b []byte) (time.Duration, error) {
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat has %d fields behind the name", len(fields))
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	return s[len(s)/2]
}
