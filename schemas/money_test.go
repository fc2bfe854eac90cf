package schemas

import "testing"

// Money is shifted digits: no binary fraction ever stands between.
func TestMoney(t *testing.T) {
	read := func(text, currency string, want int64, wantFault fault) {
		t.Helper()
		got, f := parseMoney([]byte(text), CurrencyExponent(CurrencyIndex([]byte(currency))))
		if f != wantFault || f == faultNone && got != want {
			t.Errorf("%s %s: got %d (fault %d), want %d (fault %d)", text, currency, got, f, want, wantFault)
		}
	}
	read("12.50", "CNY", 1250, faultNone)
	read("1.500", "CNY", 150, faultNone)
	read("1.505", "CNY", 0, faultInexact)
	read("0.29", "CNY", 29, faultNone) // 0.29 × 100 is 28.999… in binary
	read("1.1", "CNY", 110, faultNone)
	read("980", "JPY", 980, faultNone)
	read("980.00", "JPY", 980, faultNone)
	read("980.5", "JPY", 0, faultInexact)
	read("1.234", "KWD", 1234, faultNone)
	read("1.2", "KWD", 1200, faultNone)
	read("1.2345", "KWD", 0, faultInexact)
	read("0", "CNY", 0, faultNone)
	read("-0", "CNY", 0, faultNone)
	read("-0.01", "CNY", 0, faultNegative)
	read("9999999.99", "CNY", 999_999_999, faultNone)
	read("10000000", "CNY", 0, faultTooLarge)
	read("9999999", "JPY", 9_999_999, faultNone)
	read("9999999.990", "KWD", 9_999_999_990, faultNone)
	read("9999999.991", "KWD", 0, faultTooLarge)
	read("1e3", "CNY", 100_000, faultNone)
	read("1250e-2", "CNY", 1250, faultNone)
	read("1e-3", "CNY", 0, faultInexact)
	read("1e30", "CNY", 0, faultTooLarge)
	read("99999999999999999999999", "CNY", 0, faultTooLarge)
	read("0.00000000000000000000000000", "CNY", 0, faultNone)
	read("1.00000000000000000000000000", "CNY", 100, faultNone)
	read("01", "CNY", 0, faultSyntax)
	read("1.", "CNY", 0, faultSyntax)
	read("", "CNY", 0, faultSyntax)
	read("1,5", "CNY", 0, faultSyntax)

	tenth, _ := parseMoney([]byte("0.1"), 2)
	fifth, _ := parseMoney([]byte("0.2"), 2)
	if tenth+fifth != 30 {
		t.Errorf("0.1 + 0.2 = %d fen, want 30", tenth+fifth)
	}
}
