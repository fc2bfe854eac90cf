// Package lint holds the house rules as tests; each failure says what to do
// instead. There is nothing to import: run it with go test ./internal/lint.
package lint
