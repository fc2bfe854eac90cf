package chhttp

import "strings"

// statement is what the interface must know of an SQL text: which words stand
// at its top level, outside strings, comments and parentheses.
type statement struct {
	verb   string // first word, upper case
	format string // name after the last top-level FORMAT, as written
	// cut is where the FORMAT clause of an INSERT begins and data where its
	// body begins (after VALUES or after the format's name). Both are -1
	// unless this is an INSERT with data.
	cut, data int
	sync      bool // KILL … SYNC
	state     bool // changes the session: SET, USE, temporary tables
}

// insert says that the statement takes rows from the request.
func (s *statement) insert() bool { return s.cut >= 0 }

// parse reads sql up to where an INSERT's data begins.
func parse(sql []byte) statement {
	st := statement{cut: -1, data: -1}
	depth, words := 0, 0
	selects := false // an INSERT … SELECT carries no data
	formatAt := -1
	// A column may be called format: outside INSERT the clause counts only
	// where nothing but SETTINGS follows the name.
	settled := false
	other := func() {
		formatAt = -1
		if !settled {
			st.format = ""
		}
	}
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '\'' || c == '"' || c == '`':
			i = skipQuoted(sql, i)
			other()
		case c == '-' && i+1 < len(sql) && sql[i+1] == '-', c == '#' && i+1 < len(sql) && (sql[i+1] == ' ' || sql[i+1] == '!'):
			for i < len(sql) && sql[i] != '\n' {
				i++
			}
		case c == '/' && i+1 < len(sql) && sql[i+1] == '*':
			end := strings.Index(string(sql[i+2:]), "*/")
			if end < 0 {
				return st
			}
			i += end + 4
		case c == '(':
			depth++
			i++
			other()
		case c == ')':
			depth--
			i++
		case isWord(c):
			start := i
			for i < len(sql) && isWord(sql[i]) {
				i++
			}
			if depth != 0 {
				if words == 0 { // (SELECT …)
					words, st.verb = 1, strings.ToUpper(string(sql[start:i]))
				}
				continue
			}
			word := strings.ToUpper(string(sql[start:i]))
			words++
			if words == 1 {
				st.verb = word
				st.state = word == "SET" || word == "USE"
			}
			if st.format != "" && word == "SETTINGS" {
				settled = true
			}
			if formatAt < 0 {
				other()
			} else {
				st.format = string(sql[start:i])
				if st.verb == "INSERT" && !selects {
					st.cut, st.data = formatAt, dataStart(sql, i)
					return st
				}
				formatAt = -1
				continue
			}
			switch word {
			case "FORMAT":
				formatAt = start
			case "SELECT", "WITH":
				selects = true
			case "SYNC":
				st.sync = st.verb == "KILL"
			case "TEMPORARY":
				st.state = true
			case "VALUES":
				if st.verb == "INSERT" && !selects {
					st.format, st.cut, st.data = "Values", start, i
					return st
				}
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ';':
			i++
		default:
			other()
			i++
		}
	}
	return st
}

// dataStart skips what separates a format's name from its data: blanks up to
// and including one line end, or a semicolon.
func dataStart(sql []byte, i int) int {
	for i < len(sql) {
		switch sql[i] {
		case ' ', '\t', '\r', ';':
			i++
		case '\n':
			return i + 1
		default:
			return i
		}
	}
	return i
}

func skipQuoted(sql []byte, i int) int {
	quote := sql[i]
	for i++; i < len(sql); i++ {
		switch sql[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return len(sql)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func quoteString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}
