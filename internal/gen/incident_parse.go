package gen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ParseIncidents reads a list of incidents and names every fault of each.
func ParseIncidents(texts []string) ([]Incident, error) {
	var all []Incident
	var errs []error
	for _, text := range texts {
		in, err := ParseIncident(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, in)
	}
	return all, errors.Join(errs...)
}

// ParseIncident reads an incident such as
//
//	payment_outage,start=2m,length=10m,platform=app_ios
//
// and names every fault of it. Whether the shop has the product is said by
// Settings.Validate.
func ParseIncident(text string) (Incident, error) {
	var in Incident
	var errs []error
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("incident %q: "+format, append([]any{text}, args...)...))
	}
	kind, rest, _ := strings.Cut(text, ",")
	known := slices.Index(IncidentNames[:], kind)
	if known < 0 {
		fault("kind: must be one of %s (got %q)", strings.Join(IncidentNames[:], ", "), kind)
	} else {
		in.Kind = IncidentKind(known)
	}
	seen := map[string]bool{}
	var length time.Duration
	for part := range strings.SplitSeq(rest, ",") {
		if rest == "" {
			break
		}
		key, value, _ := strings.Cut(part, "=")
		if seen[key] {
			fault("%s: must be given once; another slice is another incident", key)
			continue
		}
		seen[key] = true
		all := in.slicers()
		i := slices.IndexFunc(all, func(s slicer) bool { return s.name == key })
		switch {
		case key == "start":
			in.From = parseSpan(key, value, 0, fault)
		case key == "length":
			length = parseSpan(key, value, time.Millisecond, fault)
		case i < 0:
			fault("%q: must be start, length, or one of %s", key, slicersOf(in.Kind, known))
		case value == "":
			fault("%s: must have a value", key)
		default:
			*all[i].value = value
		}
	}
	for _, key := range []string{"start", "length"} {
		if !seen[key] {
			fault("%s: must be given, as in %s=10m", key, key)
		}
	}
	in.To = in.From + length
	if known >= 0 {
		for _, err := range in.validateSlice() {
			fault("%w", err)
		}
	}
	if len(errs) > 0 {
		return Incident{}, errors.Join(errs...)
	}
	return in, nil
}

func parseSpan(key, value string, least time.Duration, fault func(string, ...any)) time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil || d < least {
		fault("%s: must be a duration of the shop's time such as 90s, 10m or 2h (got %q)", key, value)
		return 0
	}
	return d
}

// slicersOf lists the slices of a kind, of all kinds if it is not known.
func slicersOf(kind IncidentKind, known int) string {
	var names []string
	for _, s := range new(Slice).slicers() {
		if known < 0 || slices.Contains(s.kinds, kind) {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ", ")
}
