package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// TestOperationsListsEveryCommand: the table of docs/operations.md has every
// command that can be run, each with its whole path, the first one of a row with
// the program's name in front.
func TestOperationsListsEveryCommand(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| command | what it does |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	quoted := regexp.MustCompile("`([^`]+)`")
	var got []string
	for line := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
			got = append(got, strings.TrimPrefix(m[1], "storepulse "))
		}
	}
	var want []string
	var walk func(c *cobra.Command, path string)
	walk = func(c *cobra.Command, path string) {
		for _, sub := range c.Commands() {
			walk(sub, strings.TrimSpace(path+" "+sub.Name()))
		}
		if !c.HasSubCommands() && !c.Hidden {
			want = append(want, path)
		}
	}
	walk(newRoot("storepulse", streams{}), "")
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("the table of commands in docs/operations.md (-got, +want):\n%s", diff)
	}
}
