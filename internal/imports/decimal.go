package imports

import (
	"math/big"
	"strings"
)

// decimal is an exact number. Money never passes through binary fractions.
type decimal = big.Rat

// parseDecimal takes plain decimals of at most 30 characters; the bound keeps
// an exponent or a long run of digits from costing memory.
func parseDecimal(s string) (*decimal, bool) {
	if !plainDecimal(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func plainDecimal(s string) bool {
	if len(s) == 0 || len(s) > 30 {
		return false
	}
	if s[0] == '-' || s[0] == '+' {
		s = s[1:]
	}
	whole, fraction, point := strings.Cut(s, ".")
	return allDigits(whole) && (!point || allDigits(fraction)) && (whole != "" && (!point || fraction != ""))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// appendDecimal writes r with at most that many decimals, rounded half-even.
func appendDecimal(b []byte, r *decimal, decimals int) []byte {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	n := new(big.Int).Mul(r.Num(), scale)
	q, m := new(big.Int).QuoRem(n, r.Denom(), new(big.Int))
	twice := new(big.Int).Abs(m)
	twice.Lsh(twice, 1)
	switch c := twice.Cmp(r.Denom()); {
	case c > 0, c == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(int64(r.Sign())))
	}
	s := new(big.Int).Abs(q).String()
	for len(s) <= decimals {
		s = "0" + s
	}
	if q.Sign() < 0 {
		b = append(b, '-')
	}
	b = append(b, s[:len(s)-decimals]...)
	if decimals > 0 {
		b = append(append(b, '.'), s[len(s)-decimals:]...)
	}
	return b
}

// tidyDecimal says whether s can be written as it stands: no sign, no leading
// zeros, not more decimals than allowed.
func tidyDecimal(s string, decimals int) bool {
	if !plainDecimal(s) || s[0] == '-' || s[0] == '+' {
		return false
	}
	whole, fraction, _ := strings.Cut(s, ".")
	return len(fraction) <= decimals && (len(whole) == 1 || whole[0] != '0')
}
