package devmode

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// errLocked: another process (or another holder in this one) has the lock.
var errLocked = errors.New("locked by another process")

// fileLock is an exclusive lock that the system frees when the process dies.
type fileLock struct{ f *os.File }

func tryLock(path string) (*fileLock, error) {
	f, err := openLocked(path)
	if err != nil {
		return nil, err
	}
	return &fileLock{f: f}, nil
}

func (l *fileLock) release() {
	if l != nil && l.f != nil {
		l.f.Close() // closing frees the lock
		l.f = nil
	}
}

// checkLoopback refuses an address that other machines could reach: the
// embedded services ask for no password.
func checkLoopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen address %q: the embedded services have no password, so only a loopback address such as 127.0.0.1:8123 is allowed", listen)
	}
	return nil
}
