package gen

import (
	"errors"
	"fmt"
	"time"
)

// eventsPerVisit is the mean number of records a visit causes, its orders
// included, measured over a simulated week; a test keeps it honest.
const eventsPerVisit = 9.0

// Settings decide the stream completely: same settings, same bytes.
type Settings struct {
	Seed  uint64
	Start time.Time
	// Rate is events per second averaged over a day, without duplicates and
	// broken records. It builds up over the first minutes, as visits do.
	Rate float64
	// FlatDay switches the daily curve off, for measurements.
	FlatDay bool
	// Duration ends the stream at Start + Duration (0 = never). With Finish the
	// visits and orders that have begun by then are told to their end.
	Duration  time.Duration
	Finish    bool
	MaxEvents int64 // records in all, 0 = no limit

	Zone     *time.Location // of the daily curve; nil = UTC+8
	TenantID string         // written as tenantid unless empty
	Currency string         // two-digit currency, default CNY
	SKUs     int            // default 500
	// KnownVisitors is how many visitors the shop already had: they may return.
	KnownVisitors int

	Defects   Defects
	Storms    []Storm
	Incidents []Incident
}

// Defects are probabilities per event, where nothing else is said. The zero
// value is a perfect world.
type Defects struct {
	Duplicate  float64 // delivered once more, seconds to hours later
	OutOfOrder float64 // up to 90 s behind its neighbours
	Late       float64 // minutes to hours behind, for apps that were offline
	TooLate    float64 // over 72 h behind
	Future     float64 // client clock years ahead and no senttime to correct it
	SkewedApps float64 // share of app visitors whose clock is wrong but who send senttime
	Broken     float64 // an additional record that must become a dead letter
	Bots       float64 // share of browser visits that are a crawler's
	Test       float64 // share of visits that are marked is_test, with their orders

	// What storms are made of; no shop has it every day.
	Repeated float64 // delivered two to five times, seconds to days later
	Poison   float64 // Broken, of every kind there is
	Skewed   float64 // share of visits whose clock is minutes to years wrong, with and without senttime
	Amended  float64 // share of orders that order.updated changes before they are paid
}

// RealisticDefects are rates of the order that shops report.
func RealisticDefects() Defects {
	return Defects{
		Duplicate: 0.004, OutOfOrder: 0.02, Late: 0.001, TooLate: 0.00002,
		Future: 0.0001, SkewedApps: 0.03, Broken: 0.001, Bots: 0.02, Test: 0.002,
	}
}

func (s Settings) withDefaults() Settings {
	if s.Rate <= 0 {
		s.Rate = 100
	}
	if s.Zone == nil {
		s.Zone = time.FixedZone("UTC+8", 8*3600)
	}
	if s.Currency == "" {
		s.Currency = "CNY"
	}
	if s.SKUs <= 0 {
		s.SKUs = 500
	}
	return s
}

// Validate reports every fault of settings a user typed, joined.
func (s Settings) Validate() error {
	var errs []error
	if s.Start.IsZero() || s.Start.Year() < 2015 {
		errs = append(errs, fmt.Errorf("start: must be a time from 2015 on (got %s): earlier events are refused as bad_time", s.Start.Format(time.RFC3339)))
	}
	if s.Rate < 0 || s.Rate > 1e7 {
		errs = append(errs, fmt.Errorf("rate: must be between 0 and 10,000,000 events per second (got %g)", s.Rate))
	}
	if s.Duration < 0 {
		errs = append(errs, fmt.Errorf("duration: must not be negative (got %s)", s.Duration))
	}
	if s.SKUs < 0 || s.SKUs > 100_000 {
		errs = append(errs, fmt.Errorf("skus: must be between 1 and 100,000 (got %d)", s.SKUs))
	}
	errs = append(errs, s.Defects.validate("defects"))
	for i, st := range s.Storms {
		errs = append(errs, st.Defects.validate(fmt.Sprintf("storms[%d]", i)))
		if st.To <= st.From {
			errs = append(errs, fmt.Errorf("storms[%d]: to (%s) must be after from (%s)", i, st.To, st.From))
		}
	}
	for i := range s.Incidents {
		for _, err := range s.Incidents[i].validate(s.withDefaults().SKUs) {
			errs = append(errs, fmt.Errorf("incidents[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}
