package imports

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestDecimalsRoundHalfEven(t *testing.T) {
	for _, c := range []struct {
		in       string
		decimals int
		want     string
	}{
		{"2.55", 2, "2.55"},
		{"007.5", 2, "7.50"},
		{"2.345", 2, "2.34"},
		{"2.355", 2, "2.36"},
		{"2.3450001", 2, "2.35"},
		{"-0.005", 2, "0.00"},
		{"-0.015", 2, "-0.02"},
		{"0", 0, "0"},
		{"999.5", 0, "1000"},
		{"998.5", 0, "998"},
		{"+3", 3, "3.000"},
	} {
		d, ok := parseDecimal(c.in)
		if !ok {
			t.Errorf("%s is not taken", c.in)
			continue
		}
		if got, _ := appendDecimal(nil, d, c.decimals); string(got) != c.want {
			t.Errorf("%s with %d decimals: %s, want %s", c.in, c.decimals, got, c.want)
		}
	}
	for _, s := range []string{"", ".", "1.", ".5", "1e9", "0x1", "--1", "1 ", "٣", "1234567890123456789012345678901"} {
		if _, ok := parseDecimal(s); ok {
			t.Errorf("%q is taken", s)
		}
	}
}

// Sums of products agree with exact rationals.
func TestDecimalArithmeticIsExact(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	number := func() string {
		s := strconv.FormatInt(rng.Int64N(2_000_000)-1_000_000, 10)
		if k := rng.IntN(4); k > 0 {
			s += "." + strconv.FormatInt(1000+rng.Int64N(1000), 10)[1:1+k]
		}
		return s
	}
	for range 5000 {
		a, b, c := number(), number(), number()
		x, _ := parseDecimal(a)
		y, _ := parseDecimal(b)
		z, _ := parseDecimal(c)
		p, ok1 := x.mul(y)
		got, ok2 := p.add(z)
		text, ok3 := appendDecimal(nil, got, 6)
		rx, _ := new(big.Rat).SetString(a)
		ry, _ := new(big.Rat).SetString(b)
		rz, _ := new(big.Rat).SetString(c)
		want := rx.Mul(rx, ry).Add(rx, rz)
		have, _ := new(big.Rat).SetString(string(text))
		if !ok1 || !ok2 || !ok3 || have.Cmp(want) != 0 {
			t.Fatalf("seed %d: %s × %s + %s = %s, want %s", seed, a, b, c, text, want.FloatString(6))
		}
		if x.compare(y) != mustRat(a).Cmp(mustRat(b)) {
			t.Fatalf("seed %d: compare %s with %s", seed, a, b)
		}
	}
}

func mustRat(s string) *big.Rat {
	r, _ := new(big.Rat).SetString(s)
	return r
}
