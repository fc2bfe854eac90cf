package clickhouse

import (
	"iter"
	"net/url"
	"strings"
)

// maxValue bounds what one bound parameter adds to the address of its request:
// the server takes 128 KiB a value and 1 MiB in all.
const maxValue = 64 << 10

// Chunks cuts a list, at most count a piece, so that the values of a piece fit
// in one parameter each; value gives the longest that an element has.
func Chunks[T any](list []T, count int, value func(*T) string) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		from, size := 0, 0
		for i := range list {
			n := len(url.QueryEscape(value(&list[i]))) + len("%2C")
			if i > from && (i-from == count || size+n > maxValue) {
				if !yield(list[from:i]) {
					return
				}
				from, size = i, 0
			}
			size += n
		}
		if from < len(list) {
			yield(list[from:])
		}
	}
}

// Text is the value of a bound parameter of type String: the server reads it
// as a field of tab-separated text.
func Text(s string) string {
	return strings.NewReplacer("\\", "\\\\", "\t", "\\t", "\n", "\\n", "\r", "\\r", "\x00", "\\0").Replace(s)
}

// Texts is the value of a bound parameter of type Array(String).
func Texts(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = Literal(s)
	}
	return Text("[" + strings.Join(quoted, ",") + "]")
}
