package schemas

import "math/bits"

// maxMajorHundredths is the greatest amount of a field, 9,999,999.99 major units.
const maxMajorHundredths = 999_999_999

var pow10 = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// maxMinor is the greatest amount in minor units of a currency with that many
// decimals.
func maxMinor(exponent uint8) int64 {
	if exponent < 2 {
		return maxMajorHundredths / int64(pow10[2-exponent])
	}
	return maxMajorHundredths * int64(pow10[exponent-2])
}

// fault says why a number was not taken.
type fault uint8

const (
	faultNone fault = iota
	faultSyntax
	faultNegative
	faultInexact // more decimals than allowed
	faultTooLarge
)

// parseMoney gives the amount in minor units, exactly: the digits are shifted,
// never converted to a binary fraction.
func parseMoney(text []byte, exponent uint8) (int64, fault) {
	n, f := parseDecimal(text, int(exponent))
	if f == faultNone && n > uint64(maxMinor(exponent)) {
		return 0, faultTooLarge
	}
	return int64(n), f
}

// parseDecimal gives number × 10^shift if that is a whole number that fits
// 64 bits. The text follows the grammar of JSON numbers. Decimals beyond the
// shift must be zeros; an exponent is taken if the result is exact.
func parseDecimal(text []byte, shift int) (uint64, fault) {
	n, i := uint64(0), 0
	for i < len(text) && i < 18 && text[i]-'0' < 10 {
		n = n*10 + uint64(text[i]-'0')
		i++
	}
	if i == 0 || i == 18 || (text[0] == '0' && i > 1) {
		return parseDecimalSlow(text, shift)
	}
	if i == len(text) {
		if shift <= 3 && i <= 15 {
			return n * pow10[shift], faultNone
		}
		return parseDecimalSlow(text, shift)
	}
	if text[i] != '.' || len(text) > 18 || i+1 == len(text) {
		return parseDecimalSlow(text, shift)
	}
	decimals := 0
	for i++; i < len(text); i++ {
		c := text[i] - '0'
		switch {
		case c > 9:
			return parseDecimalSlow(text, shift)
		case decimals < shift:
			n = n*10 + uint64(c)
			decimals++
		case c != 0:
			return parseDecimalSlow(text, shift)
		}
	}
	if shift-decimals > 2 { // never for the currencies of ISO 4217; 17 digits × 100 fit 64 bits
		return parseDecimalSlow(text, shift)
	}
	return n * pow10[shift-decimals], faultNone
}

// parseDecimalSlow is parseDecimal for anything: it strips zeros on both sides
// of the digits, so that their count alone decides about exactness and size.
func parseDecimalSlow(text []byte, shift int) (uint64, fault) {
	i, negative := 0, false
	if len(text) > 0 && text[0] == '-' {
		negative, i = true, 1
	}
	from := i
	i = digits(text, i)
	if i == from || (text[from] == '0' && i > from+1) {
		return 0, faultSyntax
	}
	point, scale := i, 0
	end := i
	if i < len(text) && text[i] == '.' {
		end = digits(text, i+1)
		scale = end - i - 1
		if scale == 0 {
			return 0, faultSyntax
		}
		i = end
	}
	if i < len(text) {
		exp, ok := parseExponent(text[i:])
		if !ok {
			return 0, faultSyntax
		}
		scale -= exp
	}
	for end > from && (text[end-1] == '0' || text[end-1] == '.') {
		if text[end-1] == '0' {
			scale--
		}
		end--
	}
	for from < end && (text[from] == '0' || text[from] == '.') {
		from++
	}
	switch {
	case from == end:
		return 0, faultNone
	case negative:
		return 0, faultNegative
	case scale > shift:
		return 0, faultInexact
	}
	n, count := uint64(0), 0
	for j := from; j < end; j++ {
		if j == point {
			continue // only the decimal point can stand here
		}
		if count++; count+shift-scale > 20 {
			return 0, faultTooLarge
		}
		hi, lo := bits.Mul64(n, 10)
		sum, carry := bits.Add64(lo, uint64(text[j]-'0'), 0)
		if hi != 0 || carry != 0 {
			return 0, faultTooLarge
		}
		n = sum
	}
	hi, lo := bits.Mul64(n, pow10[shift-scale])
	if hi != 0 {
		return 0, faultTooLarge
	}
	return lo, faultNone
}

// parseExponent reads e+12. It saturates far beyond the number of digits that a
// record can hold, so that the verdict stays right.
func parseExponent(text []byte) (int, bool) {
	if text[0]|0x20 != 'e' {
		return 0, false
	}
	i, sign := 1, 1
	if i < len(text) && (text[i] == '+' || text[i] == '-') {
		if text[i] == '-' {
			sign = -1
		}
		i++
	}
	if i == len(text) {
		return 0, false
	}
	n := 0
	for ; i < len(text); i++ {
		if text[i]-'0' > 9 {
			return 0, false
		}
		n = min(n*10+int(text[i]-'0'), 1<<40)
	}
	return sign * n, true
}

// isDecimalString says whether a string is an amount as we take it: digits
// without sign, exponent, spaces or leading zeros.
func isDecimalString(text []byte) bool {
	i := digits(text, 0)
	if i == 0 || (text[0] == '0' && i > 1) {
		return false
	}
	if i == len(text) {
		return true
	}
	return text[i] == '.' && i+1 < len(text) && digits(text, i+1) == len(text)
}
