//go:build !linux

package devmode

import "os/exec"

// StartChild starts cmd and calls ended when it is over.
func StartChild(cmd *exec.Cmd, ended func(error)) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { ended(cmd.Wait()) }()
	return nil
}
