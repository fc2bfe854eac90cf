package clickhouse

import "strings"

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
