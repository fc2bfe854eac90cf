package imports

import (
	"cmp"
	"math/bits"
	"strconv"
	"strings"
)

// decimal is the exact number m / 10^scale. Money never passes through binary
// fractions. What needs more than 18 digits is refused, not rounded.
type decimal struct {
	m     int64
	scale int
}

// parseDecimal takes an optional sign, digits, and a point with digits.
func parseDecimal(s string) (decimal, bool) {
	if !plainDecimal(s) {
		return decimal{}, false
	}
	whole, fraction, _ := strings.Cut(s, ".")
	fraction = strings.TrimRight(fraction, "0")
	m, err := strconv.ParseInt(whole+fraction, 10, 64)
	return decimal{m, len(fraction)}, err == nil && len(fraction) <= 18 && m <= 1<<62 && m >= -1<<62
}

func plainDecimal(s string) bool {
	if len(s) == 0 || len(s) > 30 {
		return false
	}
	if s[0] == '-' || s[0] == '+' {
		s = s[1:]
	}
	whole, fraction, point := strings.Cut(s, ".")
	return whole != "" && allDigits(whole) && (!point || fraction != "" && allDigits(fraction))
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

func (d decimal) abs() decimal {
	if d.m < 0 {
		d.m = -d.m
	}
	return d
}

// mul gives d × e, false if that has too many digits.
func (d decimal) mul(e decimal) (decimal, bool) {
	hi, lo := bits.Mul64(uint64(d.abs().m), uint64(e.abs().m))
	if hi != 0 || lo > 1<<62 {
		return decimal{}, false
	}
	m := int64(lo)
	if (d.m < 0) != (e.m < 0) {
		m = -m
	}
	return decimal{m, d.scale + e.scale}, true
}

// to gives the same number with a larger scale.
func (d decimal) to(scale int) (decimal, bool) {
	if d.m == 0 {
		return decimal{0, scale}, true
	}
	ok := true
	for ok && d.scale < scale {
		d, ok = d.mul(decimal{m: 10})
		d.scale++
	}
	return d, ok
}

func (d decimal) add(e decimal) (decimal, bool) {
	scale := max(d.scale, e.scale)
	d, ok1 := d.to(scale)
	e, ok2 := e.to(scale)
	sum := d.m + e.m // both are at most 2^62
	return decimal{sum, scale}, ok1 && ok2 && sum <= 1<<62 && sum >= -1<<62
}

// compare is exact where both fit one scale, else the signs and sizes decide.
func (d decimal) compare(e decimal) int {
	scale := max(d.scale, e.scale)
	a, ok1 := d.to(scale)
	b, ok2 := e.to(scale)
	if ok1 && ok2 {
		return cmp.Compare(a.m, b.m)
	}
	return cmp.Compare(d.float(), e.float())
}

func (d decimal) float() float64 {
	f, _ := strconv.ParseFloat(strconv.FormatInt(d.m, 10)+"e-"+strconv.Itoa(d.scale), 64)
	return f
}

// appendDecimal writes d with that many decimals, rounded half-even.
func appendDecimal(b []byte, d decimal, decimals int) ([]byte, bool) {
	d, ok := d.to(decimals)
	if !ok {
		return b, false
	}
	n := d.abs().m
	if d.scale-decimals > 18 { // less than half of the last place
		n, d.scale = 0, decimals
	}
	for rest, div := int64(0), int64(1); d.scale > decimals; d.scale-- {
		rest, div = rest+n%10*div, div*10
		n /= 10
		if d.scale > decimals+1 {
			continue
		}
		if rest*2 > div || rest*2 == div && n%2 == 1 {
			n++
		}
	}
	s := strconv.FormatInt(n, 10)
	for len(s) <= decimals {
		s = "0" + s
	}
	if d.m < 0 && n != 0 {
		b = append(b, '-')
	}
	b = append(b, s[:len(s)-decimals]...)
	if decimals > 0 {
		b = append(append(b, '.'), s[len(s)-decimals:]...)
	}
	return b, true
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
