#!/usr/bin/env bash
# Fuzzes the targets whose name matches a pattern, one after the other.
#
#   fuzz.sh PATTERN TIME     fuzz.sh RecordBatch 1m, fuzz.sh . 10000000x
#
# Only this module is instrumented: `go test -fuzz` instruments every dependency
# of the test as well, and looks at all their counters after each execution,
# which made it fifteen times slower. New inputs are kept in the build cache.
set -euo pipefail
cd "$(dirname "$0")/.."
pattern=${1:-.}
time=${2:-10s}
module=$(go list -m)
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT

# Go may report the end of the time itself as the failure
# (https://go.dev/issue/75804): then no input is named, and the time has been used.
only_time_out() {
	[ "$(grep -A1 '^--- FAIL' "$1" | tail -n +2 | tr -d ' ')" = contextdeadlineexceeded ] && ! grep -q 'Failing input' "$1"
}

found=
dirs=$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u)
for dir in $dirs; do
	targets=$(cat "$dir"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' | grep -E "$pattern" || true)
	[ -n "$targets" ] || continue
	found=1
	go test -c -gcflags="$module/...=-d=libfuzzer" -o "$bin/fuzz.test" "$dir"
	for target in $targets; do
		echo "fuzz $dir $target for $time"
		cache=$(go env GOCACHE)/fuzz/$module/${dir#./}
		mkdir -p "$cache"
		(cd "$dir" && "$bin/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" \
			-test.fuzzminimizetime 10x -test.fuzzcachedir "$cache" < /dev/null) 2>&1 | tee "$bin/log" || only_time_out "$bin/log"
	done
done
# A pattern that matches nothing must not pass for a clean run.
[ -n "$found" ] || { echo "fuzz.sh: no fuzz target matches $pattern" >&2; exit 1; }
