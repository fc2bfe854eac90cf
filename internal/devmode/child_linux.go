package devmode

import (
	"os/exec"
	"runtime"
	"syscall"
)

// childAttr lets the kernel kill the child when its parent dies, even by
// SIGKILL. A process group of its own keeps a terminal's Ctrl-C from the
// child: the parent decides when it stops.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// startPinned starts cmd and calls ended when it is over. The kernel ties
// Pdeathsig to the thread that forked, not to the process, so that thread is
// kept for the child's life.
func startPinned(cmd *exec.Cmd, ended func(error)) error {
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
