package devmode

import (
	"os/exec"
	"runtime"
	"syscall"
)

// StartChild starts cmd and calls ended when it is over. The kernel kills the
// child when this process dies, even by SIGKILL. It ties that to the thread that
// forked, not to the process, so the thread is kept for the child's life. A
// process group of its own keeps a terminal's Ctrl-C from the child: the parent
// decides when it stops.
func StartChild(cmd *exec.Cmd, ended func(error)) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			ended(cmd.Wait())
		}
	}()
	return <-started
}
