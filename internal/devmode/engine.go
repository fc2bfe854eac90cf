package devmode

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/chdb"
)

const (
	enginePackage = "@chdb/lib-linux-x64-gnu"
	// engineVersion is pinned: the package's tag "latest" is an older engine
	// without streamed inserts.
	engineVersion = "26.7.3-stable.1"
	engineLibrary = "libchdb.so"
	engineBytes   = 569_000_000 // what the installed package takes, for the progress bar
	// engineMinBytes tells a library from a stub or a cut download.
	engineMinBytes = 100 << 20
	// engineDirEnv overrides where the engine is kept.
	engineDirEnv = "STOREPULSE_ENGINE_DIR"
)

func engineDir() (string, error) {
	if dir := os.Getenv(engineDirEnv); dir != "" {
		return filepath.Abs(dir)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for the embedded ClickHouse engine: %w: set %s", err, engineDirEnv)
	}
	return filepath.Join(cache, "storepulse", "chdb-"+engineVersion), nil
}

func libraryIn(dir string) string {
	return filepath.Join(dir, "node_modules", filepath.FromSlash(enginePackage), engineLibrary)
}

// EnsureEngine returns the path of the ClickHouse engine's library and installs
// it first where it is missing: a download of about 150 MB, once per user.
// Processes that ask at the same time wait for one of them. Progress is told
// to progress, which may be nil.
func EnsureEngine(ctx context.Context, progress io.Writer) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", chdb.ErrUnsupported
	}
	if progress == nil {
		progress = io.Discard
	}
	dir, err := engineDir()
	if err != nil {
		return "", err
	}
	if checkEngine(dir) == nil {
		return libraryIn(dir), nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("install the embedded ClickHouse engine: %w", err)
	}
	lock, err := waitLock(ctx, dir+".lock", func() {
		fmt.Fprintln(progress, "another process is installing the embedded ClickHouse engine, waiting for it")
	})
	if err != nil {
		return "", fmt.Errorf("install the embedded ClickHouse engine: %w", err)
	}
	defer lock.release()
	if checkEngine(dir) == nil {
		return libraryIn(dir), nil // the other process did it
	}
	if err := installEngine(ctx, dir, progress); err != nil {
		return "", fmt.Errorf("install the embedded ClickHouse engine into %s: %w", dir, err)
	}
	return libraryIn(dir), nil
}

// installEngine lets npm fill a folder beside dir and renames it when whole.
func installEngine(ctx context.Context, dir string, progress io.Writer) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is not on the PATH: install Node.js with npm, or point sink.clickhouse.url at a server")
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	stop := showProgress(progress, tmp)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", tmp, "--no-audit", "--no-fund", enginePackage+"@"+engineVersion)
	cmd.Dir = tmp // no project's .npmrc or package.json takes part
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	stop(err == nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return npmError(err, out.String())
	}
	if err := checkEngine(tmp); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil { // what failed the check above
		return err
	}
	return os.Rename(tmp, dir)
}

// npmError names the remedy for what usually goes wrong.
func npmError(err error, out string) error {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) > 8 {
		lines = lines[:8]
	}
	text := strings.Join(lines, "\n")
	for _, code := range []string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "ERR_SOCKET_TIMEOUT"} {
		if strings.Contains(out, code) {
			return fmt.Errorf("npm cannot reach its registry (%s): the engine is downloaded once, so connect this machine, or copy the folder from another one and set %s\n%s", code, engineDirEnv, text)
		}
	}
	if strings.Contains(out, "ENOSPC") {
		return fmt.Errorf("no space left: the engine needs about 600 MB\n%s", text)
	}
	return fmt.Errorf("npm install %s@%s: %w\n%s", enginePackage, engineVersion, err, text)
}

// checkEngine says whether dir holds the pinned engine in full.
func checkEngine(dir string) error {
	lib := libraryIn(dir)
	info, err := os.Stat(lib)
	if err != nil {
		return fmt.Errorf("the engine's library is missing: %w", err)
	}
	if info.Size() < engineMinBytes {
		return fmt.Errorf("%s has %d bytes, which is not the whole engine", lib, info.Size())
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(lib), "package.json"))
	if err != nil {
		return err
	}
	var pkg struct{ Version string }
	if err := json.Unmarshal(b, &pkg); err != nil {
		return fmt.Errorf("read the engine's package.json: %w", err)
	}
	if pkg.Version != engineVersion {
		return fmt.Errorf("%s is version %s, not %s", lib, pkg.Version, engineVersion)
	}
	return nil
}

func waitLock(ctx context.Context, path string, waiting func()) (*fileLock, error) {
	for told := false; ; {
		lock, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		if !told {
			told = true
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
