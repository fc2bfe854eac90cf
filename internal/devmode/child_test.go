//go:build linux

package devmode_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

const parentEnv = "STOREPULSE_TEST_PARENT_DIR"

// TestParentProcess is the body of a process that the test below kills: it
// starts a server and tells its process id.
func TestParentProcess(t *testing.T) {
	dir := os.Getenv(parentEnv)
	if dir == "" {
		t.Skip("runs only as a process of TestChildDiesWithItsParent")
	}
	c := devtest.StartClickHouse(t, dir)
	fmt.Printf("pid %d\n", c.Pid())
	<-c.Done()
}

func TestChildDiesWithItsParent(t *testing.T) {
	devtest.ClickHouse(t) // says why where there is no engine
	parent := exec.Command(os.Args[0], "-test.run=^TestParentProcess$", "-test.v")
	parent.Env = append(os.Environ(), parentEnv+"="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if s, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			if pid, err = strconv.Atoi(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	if pid == 0 {
		t.Fatal("the parent told no process id")
	}
	deadline := time.After(time.Minute)
	for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !zombie(pid) {
		select {
		case <-deadline:
			t.Fatalf("process %d outlives its parent", pid)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// zombie: dead, but nobody has asked for its exit status yet.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") Z ")
}
