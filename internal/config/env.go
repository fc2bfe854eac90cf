package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// envPrefix stands in front of every variable that names a key.
const envPrefix = "STOREPULSE_"

// envName gives the variable of a key: kafka.brokers is STOREPULSE_KAFKA_BROKERS.
func envName(path string) string {
	return envPrefix + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(path))
}

// serviceLink matches what Kubernetes puts into the environment for a service
// that happens to be called storepulse-kafka or storepulse-http.
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_.*)?)$`)

// leaf is a key whose value is a scalar or a list of scalars.
type leaf struct {
	path  string
	value reflect.Value
	set   func() // stores the value where a copy was walked: map elements, nil pointers
}

// leaves walks the configuration in the order of its sections.
func leaves(path string, v reflect.Value, set func(), visit func(leaf)) {
	switch {
	case isScalar(v.Type()) || v.Kind() == reflect.Slice && isScalar(v.Type().Elem()):
		visit(leaf{path, v, set})
	case v.Kind() == reflect.Pointer:
		elem := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			elem.Elem().Set(v.Elem())
		}
		leaves(path, elem.Elem(), func() { v.Set(elem); set() }, visit)
	case v.Kind() == reflect.Map:
		var ids []string
		for _, k := range v.MapKeys() {
			ids = append(ids, k.String())
		}
		slices.Sort(ids)
		for _, id := range ids {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(reflect.ValueOf(id)))
			leaves(join(path, id), elem, func() { v.SetMapIndex(reflect.ValueOf(id), elem); set() }, visit)
		}
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v) {
			leaves(join(path, f.key), f.value, set, visit)
		}
	}
}

// applyEnv writes the environment over the configuration. A variable that is
// set but empty counts as not set, because that is how compose files pass on
// what they do not have. A variable that begins like a section and names no
// key is a fault: a misspelt one would be ignored in silence.
func applyEnv(c *Config, environ []string) []error {
	values := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, envPrefix) && value != "" && name != passwordEnv {
			values[name] = value
		}
	}
	var faults []error
	var names []string
	leaves("", reflect.ValueOf(c).Elem(), func() {}, func(l leaf) {
		name := envName(l.path)
		names = append(names, name)
		text, ok := values[name]
		if !ok {
			return
		}
		delete(values, name)
		if err := setText(l.value, text); err != nil {
			faults = append(faults, fmt.Errorf("%s: %s: %w", name, l.path, err))
			return
		}
		l.set()
	})
	var unknown []string
	for name := range values {
		if serviceLink.MatchString(name) {
			continue
		}
		section, _, _ := strings.Cut(strings.TrimPrefix(name, envPrefix), "_")
		for _, f := range fieldsOf(reflect.ValueOf(c).Elem()) {
			if strings.ToUpper(f.key) == section {
				unknown = append(unknown, name)
			}
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		faults = append(faults, fmt.Errorf("%s: names no configuration key%s", name, didYouMean(name, names)))
	}
	return faults
}

// setText sets a scalar, or a list from text with commas.
func setText(v reflect.Value, text string) error {
	if v.Kind() != reflect.Slice || isScalar(v.Type()) {
		return setScalar(v, text)
	}
	parts := strings.Split(text, ",")
	out := reflect.MakeSlice(v.Type(), len(parts), len(parts))
	for i, p := range parts {
		if err := setScalar(out.Index(i), strings.TrimSpace(p)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// Key describes one configuration key, for documentation and completion.
type Key struct {
	Path, Env, Default string
}

// Keys lists every key in the order of the file.
func Keys() []Key {
	c := Default()
	var out []Key
	leaves("", reflect.ValueOf(&c).Elem(), func() {}, func(l leaf) {
		k := Key{Path: l.path, Env: envName(l.path)}
		if l.value.Kind() == reflect.Slice && !isScalar(l.value.Type()) {
			var parts []string
			for i := range l.value.Len() {
				parts = append(parts, fmt.Sprint(scalarOf("", l.value.Index(i))))
			}
			k.Default = strings.Join(parts, ",")
		} else {
			k.Default = fmt.Sprint(scalarOf(l.path[strings.LastIndex(l.path, ".")+1:], l.value))
		}
		out = append(out, k)
	})
	return out
}
