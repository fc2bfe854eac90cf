package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Tenant is a shop.
type Tenant struct {
	Timezone string   `yaml:"timezone"` // IANA name; its midnight ends the business day
	Currency string   `yaml:"currency"` // ISO 4217 code of the amounts in Prometheus
	Domains  []string `yaml:"domains"`  // own domains: a referrer from them is internal
}

func defaultTenant() Tenant { return Tenant{Timezone: "Asia/Shanghai", Currency: "CNY"} }

func (t *Tenant) setDefaults() { *t = defaultTenant() }

var (
	tenantID   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	domainName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	typeName   = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,63}$`)
)

// maxTenants keeps the tenant's index in one byte and the series in bounds.
const maxTenants = 200

func validateTenants(tenants map[string]Tenant) error {
	var errs []error
	if n := len(tenants); n == 0 || n > maxTenants {
		errs = append(errs, fmt.Errorf("tenants: must be 1 to %d shops (got %d)", maxTenants, n))
	}
	for _, id := range slices.Sorted(maps.Keys(tenants)) {
		t := tenants[id]
		fault := func(key, format string, args ...any) {
			errs = append(errs, fmt.Errorf("tenants.%s%s: "+format, append([]any{id, key}, args...)...))
		}
		if !tenantID.MatchString(id) {
			fault("", "must be 1 to 64 of letters, digits, dot, _ and - (got %q)", id)
		}
		// LoadLocation takes "" and "Local", which would make days depend on the machine.
		if _, err := time.LoadLocation(t.Timezone); err != nil || t.Timezone == "" || t.Timezone == "Local" {
			fault(".timezone", "must be an IANA time zone such as Asia/Shanghai (got %q)", t.Timezone)
		}
		if schemas.CurrencyIndex([]byte(t.Currency)) == 0 {
			fault(".currency", "must be an ISO 4217 code such as CNY (got %q)", t.Currency)
		}
		for i, d := range t.Domains {
			if !domainName.MatchString(d) {
				fault(fmt.Sprintf(".domains[%d]", i), "must be a lower-case host name without scheme and path (got %q)", d)
			}
		}
	}
	return errors.Join(errs...)
}

// Events completes the closed lists of event types and categories.
type Events struct {
	ExtraTypes []string `yaml:"extra_types"` // stored as activity without a stage
	Categories []string `yaml:"categories"`  // first-level categories that metrics tell apart
}

func (e Events) validate() error {
	var errs []error
	if n := len(e.ExtraTypes); n > 200 {
		errs = append(errs, fmt.Errorf("events.extra_types: must be at most 200 (got %d)", n))
	}
	for i, t := range e.ExtraTypes {
		switch {
		case !typeName.MatchString(t):
			errs = append(errs, fmt.Errorf("events.extra_types[%d]: must be a name of a-z, 0-9, _ and . (got %q)", i, t))
		case slices.Contains(schemas.KindNames[:], t):
			errs = append(errs, fmt.Errorf("events.extra_types[%d]: must be a new name, the engine knows this one (got %q)", i, t))
		case slices.Contains(e.ExtraTypes[:i], t):
			errs = append(errs, fmt.Errorf("events.extra_types[%d]: must not be listed twice (got %q)", i, t))
		}
	}
	if n := len(e.Categories); n > 30 {
		errs = append(errs, fmt.Errorf("events.categories: must be at most 30, each is a label value (got %d)", n))
	}
	for i, c := range e.Categories {
		switch {
		case c == "" || len(c) > 64 || strings.TrimSpace(c) != c:
			errs = append(errs, fmt.Errorf("events.categories[%d]: must be 1 to 64 bytes without space around them (got %q)", i, c))
		case c == "unknown" || c == "other":
			errs = append(errs, fmt.Errorf("events.categories[%d]: must not be unknown or other, they are always there (got %q)", i, c))
		case slices.Contains(e.Categories[:i], c):
			errs = append(errs, fmt.Errorf("events.categories[%d]: must not be listed twice (got %q)", i, c))
		}
	}
	return errors.Join(errs...)
}
