package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/sink/prom"
)

func TestPromotions(t *testing.T) {
	c, err := load(t, `
tenants: {north: {}, south: {}}
promotions:
  - {kind: big_promotion, name: Double 11, from: 2026-11-10T20:00:00+08:00, until: 2026-11-12T00:00:00+08:00}
  - tenant: south
    kind: flash
    name: "an hour of tea"
    from: "2026-11-11T12:00:00Z"
    until: 2026-11-11T13:00:00Z
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []prom.Promotion{
		{Kind: "big_promotion", From: time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 11, 16, 0, 0, 0, time.UTC)},
		{Tenant: "south", Kind: "flash", From: time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 11, 13, 0, 0, 0, time.UTC)},
	}
	if diff := cmp.Diff(c.Calendar(), want); diff != "" {
		t.Errorf("-got, +want:\n%s", diff)
	}
}

func TestPromotionFaults(t *testing.T) {
	expectFaults(
		t,
		faults(t, `promotions:
  - {kind: sale, name: " x", from: 2026-11-11T00:00:00+08:00, until: 2026-11-10T16:00:00Z}
  - {tenant: nobody, kind: flash, from: tomorrow, until: 2026-11-11}
  - {kind: coupon, name: c, form: 2026-11-11T00:00:00+08:00}
  - coupon
`, "STOREPULSE_PROMOTIONS=x"),
		`storepulse.yaml:3: promotions[1].from: must be a time such as 2026-11-11T00:00:00+08:00 (got "tomorrow")`,
		`storepulse.yaml:3: promotions[1].until: must be a time such as 2026-11-11T00:00:00+08:00 (got "2026-11-11")`,
		`storepulse.yaml:4: promotions[2].form: unknown key (did you mean promotions[2].from?)`,
		`storepulse.yaml:5: promotions[3]: must be a mapping of keys to values`,
		`STOREPULSE_PROMOTIONS: names no configuration key`,
		`promotions[0].kind: must be one of flash, presale, big_promotion, member_day, festival, full_reduction, coupon, joint (got "sale")`,
		`promotions[0].name: must be 1 to 100 bytes without space around them (got " x")`,
		`promotions[0].until: must be after from, 2026-11-11T00:00:00+08:00 (got 2026-11-10T16:00:00Z)`,
		`promotions[1].tenant: must be one of the tenants, or absent for all (got "nobody")`,
		`promotions[1].name: must be 1 to 100 bytes without space around them (got "")`,
		`promotions[1].from: must be a time such as 2026-11-11T00:00:00+08:00`,
		`promotions[1].until: must be a time such as 2026-11-11T00:00:00+08:00`,
		`promotions[2].from: must be a time such as 2026-11-11T00:00:00+08:00`,
		`promotions[2].until: must be a time such as 2026-11-11T00:00:00+08:00`,
		`promotions[3].kind: must be one of flash, presale, big_promotion, member_day, festival, full_reduction, coupon, joint (got "")`,
		`promotions[3].name: must be 1 to 100 bytes without space around them (got "")`,
		`promotions[3].from: must be a time such as 2026-11-11T00:00:00+08:00`,
		`promotions[3].until: must be a time such as 2026-11-11T00:00:00+08:00`,
	)
}
