package config

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// mask stands where a secret was.
const mask = "********"

// Dump writes the whole configuration in force as YAML that Load reads, with
// secrets masked: it may go into a bug report.
func (c Config) Dump(w io.Writer) error {
	text, err := yaml.MarshalWithOptions(tree("", reflect.ValueOf(&c).Elem()), yaml.IndentSequence(true))
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	_, err = w.Write(text)
	return err
}

// tree turns a value into what the YAML library writes in order.
func tree(key string, v reflect.Value) any {
	switch {
	case isScalar(v.Type()):
		return masked(key, scalarOf(key, v))
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return tree(key, v.Elem())
	case v.Kind() == reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = tree(key, v.Index(i))
		}
		return out
	case v.Kind() == reflect.Map:
		out := yaml.MapSlice{}
		ids := v.MapKeys()
		slices.SortFunc(ids, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, id := range ids {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(id))
			out = append(out, yaml.MapItem{Key: id.String(), Value: tree("", elem)})
		}
		return out
	default:
		out := yaml.MapSlice{}
		for _, f := range fieldsOf(v) {
			out = append(out, yaml.MapItem{Key: f.key, Value: tree(f.key, f.value)})
		}
		return out
	}
}

// masked hides secrets: values of keys that name one, and passwords inside URLs.
func masked(key string, value any) any {
	s, ok := value.(string)
	if !ok || s == "" {
		return value
	}
	if slices.Contains([]string{"password", "secret", "token", "key_password"}, key) {
		return mask
	}
	if u, err := url.Parse(s); err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), mask)
			return strings.ReplaceAll(u.String(), url.QueryEscape(mask), mask)
		}
	}
	return value
}
