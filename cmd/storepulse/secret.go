package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// login is --user and --password-file.
type login struct{ user, passwordFile string }

func (l *login) add(f *pflag.FlagSet, user string) {
	f.StringVar(&l.user, "user", "", user)
	f.StringVar(&l.passwordFile, "password-file", "", "file with the user's password")
}

// password reads the password; without a user there is none.
func (l *login) password() (string, error) {
	if (l.user == "") != (l.passwordFile == "") {
		return "", &usageError{errors.New("--user and --password-file go together")}
	}
	return readSecret("password-file", l.passwordFile)
}

// readSecret gives what a flag's file holds, without the line end that editors
// leave. No file is no secret, an empty one is a mistake.
func readSecret(flag, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("--%s: %s is empty", flag, path)
	}
	return secret, nil
}
