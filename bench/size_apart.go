package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// apart gives the worker the first processor to itself, and everything else
// that the bench has started the others, as if engine and broker were on
// machines of their own. What it returns lets all run everywhere again.
func apart(worker int) (together func(), err error) {
	n := runtime.NumCPU()
	if n < 2 {
		return nil, errors.New("measuring pauses takes two processors: one for the worker, one for what it talks to")
	}
	var first, rest, all unix.CPUSet
	first.Set(0)
	for i := range n {
		all.Set(i)
		if i > 0 {
			rest.Set(i)
		}
	}
	family, err := descendants(os.Getpid())
	if err != nil {
		return nil, err
	}
	for _, pid := range family {
		set := &rest
		if pid == worker {
			set = &first
		}
		if err := pin(pid, set); err != nil {
			return nil, err
		}
	}
	return func() {
		for _, pid := range family {
			_ = pin(pid, &all) // a process that has ended needs none
		}
	}, nil
}

// pin sets where every thread of the process may run; new ones inherit it.
func pin(pid int, set *unix.CPUSet) error {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			return fmt.Errorf("threads of process %d: %w", pid, err)
		}
		if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pin thread %d of process %d: %w", tid, pid, err)
		}
	}
	return nil
}

// descendants lists the process and all that it has started, however deep.
func descendants(root int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		s := string(b)
		pid, _ := strconv.Atoi(s[:strings.IndexByte(s, ' ')])
		fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("parent of process %d: %w", pid, err)
		}
		children[parent] = append(children[parent], pid)
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}
