package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/storepulse/storepulse/transform"
)

// Rules are the session and order rules, section transform of the file.
type Rules struct {
	Session Session `yaml:"session"`
	Orders  Orders  `yaml:"orders"`
}

// Session says when a session ends and how long it can still change.
type Session struct {
	Gap          time.Duration `yaml:"gap"`           // inactivity that ends a session
	MaxLength    time.Duration `yaml:"max_length"`    // a session is cut here
	OutOfOrder   time.Duration `yaml:"out_of_order"`  // watermark = newest event time − this
	MergeHorizon time.Duration `yaml:"merge_horizon"` // closed sessions can change this long
	IdleAfter    time.Duration `yaml:"idle_after"`    // a quiet lane moves its watermark after this long
}

// Orders says what counts for a session's orders.
type Orders struct {
	PayWindow time.Duration `yaml:"pay_window"` // a payment counts for the session this long after the order
}

func defaultRules(idleAfter time.Duration) Rules {
	s := transform.DefaultSettings()
	return Rules{
		Session: Session{Gap: s.Gap, MaxLength: s.MaxLength, OutOfOrder: s.OutOfOrder, MergeHorizon: s.MergeHorizon, IdleAfter: idleAfter},
		Orders:  Orders{PayWindow: s.PayWindow},
	}
}

func (r Rules) validate() error {
	var errs []error
	between := func(key string, got, low, high time.Duration) {
		if got < low || got > high {
			errs = append(errs, fmt.Errorf("transform.%s: must be from %s to %s (got %s)", key, durationText(low), durationText(high), durationText(got)))
		}
	}
	s := r.Session
	between("session.gap", s.Gap, time.Second, 24*time.Hour)
	between("session.max_length", s.MaxLength, max(s.Gap, time.Minute), 7*24*time.Hour)
	between("session.out_of_order", s.OutOfOrder, 0, time.Hour)
	between("session.merge_horizon", s.MergeHorizon, 0, 72*time.Hour)
	between("orders.pay_window", r.Orders.PayWindow, time.Hour, 30*24*time.Hour)
	return errors.Join(errs...)
}
