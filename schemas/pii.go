package schemas

// Personal data must not enter: a field whose name is on the deny list sets
// the record aside, and its value leaves the bytes that are kept. Names are
// compared without case and separators: receiverName is receiver_name. A
// denied name whose value is null holds nothing and is let through, so that a
// letter whose value was removed can be sent again.

var deniedNames = []string{
	"phone", "phone_number", "mobile", "mobile_phone", "mobile_number", "tel", "telephone", "cellphone",
	"email", "e_mail", "email_address",
	"address", "street", "street_address", "home_address", "detail_address", "shipping_address", "billing_address",
	"delivery_address", "receiver_address",
	"id_card", "id_card_no", "id_number", "identity_card", "national_id", "ssn", "passport", "passport_no", "passport_number",
	"real_name", "receiver_name", "receiver_phone", "receiver_mobile", "full_name", "first_name", "last_name", "family_name",
	"given_name", "surname", "buyer_name", "customer_name", "contact_name", "contact_phone", "consignee", "consignee_name", "user_name",
	"nick_name", "birthday", "birth_date", "date_of_birth", "dob",
	"bank_card", "bank_account", "card_number", "card_no", "cvv",
	"姓名", "真实姓名", "收货人", "手机", "手机号", "电话", "邮箱", "地址", "收货地址", "身份证", "身份证号", "护照", "生日",
}

// droppedNames are used, then dropped: they lead to no letter, but their
// values are never stored, at any depth.
var droppedNames = []string{"ip", "ip_address", "client_ip", "user_agent"}

// denial is what a field's name leads to.
type denial uint8

const (
	allowed denial = iota
	dropped
	denied
)

// denyList finds a field name whatever its case and separators.
type denyList struct {
	table   *names
	scratch []byte
}

func newDenyList() denyList {
	var list []string
	for _, group := range [][]string{droppedNames, deniedNames} {
		for _, n := range group {
			list = append(list, string(plainName(nil, []byte(n))))
		}
	}
	return denyList{table: newNames(list)}
}

func (l *denyList) judge(name []byte) denial {
	if len(name) > 32 {
		return allowed // longer than any name of the list with its separators
	}
	l.scratch = plainName(l.scratch[:0], name)
	switch i := l.table.find(l.scratch); {
	case i < 0:
		return allowed
	case i < len(droppedNames):
		return dropped
	}
	return denied
}

// plainName is the name in lower case without separators.
func plainName(dst, name []byte) []byte {
	for _, c := range name {
		switch {
		case c == '_' || c == '-' || c == ' ' || c == '.':
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c|0x20)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// span is a part of the record, from the first byte to behind the last.
type span struct{ from, to int }

// blank copies b[from:to] with null in place of the hidden spans. Hidden spans
// are in order; one inside another is covered by the outer.
func blank(dst, b []byte, part span, hidden []span) []byte {
	at := part.from
	for _, h := range hidden {
		if h.from < at || h.to > part.to {
			continue
		}
		dst = append(dst, b[at:h.from]...)
		dst = append(dst, "null"...)
		at = h.to
	}
	return append(dst, b[at:part.to]...)
}

// redact copies a text that need not be JSON (broken, cut off, of an unknown
// mode) without the values behind denied names: whatever follows the name and
// a colon or an equals sign. It looks at every word, whether quotes are
// balanced or not, and rather takes too much.
func (l *denyList) redact(dst, b []byte) []byte {
	done := 0
	for i := 0; i < len(b); {
		if !wordByte(b[i]) {
			i++
			continue
		}
		from := i
		for i < len(b) && wordByte(b[i]) {
			i++
		}
		name := b[from:i]
		if len(name) > 200 {
			continue
		}
		if unescapedName, ok := plainEscapes(name); ok {
			name = unescapedName
		}
		if l.judge(name) == allowed {
			continue
		}
		j := i
		for j < len(b) && (b[j] <= ' ' || b[j] == '"' || b[j] == '\'') {
			j++
		}
		if j == len(b) || (b[j] != ':' && b[j] != '=') {
			continue
		}
		for j++; j < len(b) && b[j] <= ' '; {
			j++
		}
		dst = append(append(dst, b[done:j]...), "null"...)
		done = valueEnd(b, j)
		i = done
	}
	return append(dst, b[done:]...)
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '\\' || c >= 0x80
}

// plainEscapes undoes \u escapes in a word of a text that may be broken.
func plainEscapes(word []byte) ([]byte, bool) {
	at := -1
	for i, c := range word {
		if c == '\\' {
			at = i
			break
		}
	}
	if at < 0 {
		return nil, false
	}
	var s scanner
	for i := at; i < len(word); i++ {
		if word[i] != '\\' {
			continue
		}
		s.b = word
		if end := s.escape(i); end > 0 {
			i = end - 1
			continue
		}
		return word[:i], true // the backslash of an escaped quote: "{\"phone\":
	}
	return s.unescape(word), true
}

// valueEnd guesses where a value ends in a text that may be broken: a quoted
// one at its closing quote, a bracketed one when its brackets are closed,
// another at the next separator.
func valueEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch c := b[i]; {
		case c == '"' || c == '\'':
			for i++; i < len(b) && b[i] != c; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			i = min(i+1, len(b))
			if depth == 0 {
				return i
			}
			continue
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case depth == 0 && (c == ',' || c == '&' || c == '\n'):
			return i
		}
		i++
	}
	return i
}
