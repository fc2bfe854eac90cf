package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// setScalar reads the text as the type of the field: what a file and an
// environment variable may say is the same.
func setScalar(v reflect.Value, text string) error {
	if v.Type() == reflect.TypeFor[time.Time]() {
		// Not by its own UnmarshalText, which explains itself by a layout.
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return fmt.Errorf("must be a time such as 2026-11-11T00:00:00+08:00 (got %q)", text)
		}
		v.Set(reflect.ValueOf(t))
		return nil
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("must be a duration such as 30s, 5m or 2h (got %q)", text)
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("must be true or false (got %q)", text)
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := parseCount(text)
		if err != nil || v.OverflowInt(n) {
			return fmt.Errorf("must be a whole number, or a size such as 32MiB (got %q)", text)
		}
		v.SetInt(n)
	case reflect.Uint32, reflect.Uint64:
		n, err := parseCount(text)
		if err != nil || n < 0 || v.OverflowUint(uint64(n)) {
			return fmt.Errorf("must be a whole number from 0, or a size such as 32MiB (got %q)", text)
		}
		v.SetUint(uint64(n))
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("must be a number (got %q)", text)
		}
		v.SetFloat(f)
	default:
		panic("BUG: no way to read a " + v.Type().String())
	}
	return nil
}

var (
	sizeText = regexp.MustCompile(`^([0-9_]+) ?(B|KiB|MiB|GiB|kB|KB|MB|GB)$`)
	errSize  = errors.New("not a size")
)

// parseCount reads 50000, 50_000, 32MiB and 64MB.
func parseCount(text string) (int64, error) {
	m := sizeText.FindStringSubmatch(text)
	if m == nil {
		return strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(m[1], "_", ""), 10, 64)
	if err != nil {
		return 0, err
	}
	unit := map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9}[m[2]]
	if n > (1<<62)/unit {
		return 0, errSize
	}
	return n * unit, nil
}

// scalarOf gives a value as YAML and documentation write it: the inverse of setScalar.
func scalarOf(key string, v reflect.Value) any {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err == nil {
			return string(text)
		}
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return durationText(time.Duration(v.Int()))
	}
	if key == "bytes" && v.CanInt() {
		return sizeOf(v.Int())
	}
	return v.Interface()
}

// durationText is 30m, not 30m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func sizeOf(n int64) any {
	for _, u := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return n
}
