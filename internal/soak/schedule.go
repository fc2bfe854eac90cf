package soak

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Kind is what a fault does.
type Kind uint8

// The kinds of faults.
const (
	WorkerKill       Kind = iota // kill -9, started again after a while
	WorkerZombie                 // SIGSTOP for longer than the session timeout, then SIGCONT
	WorkerRestart                // SIGTERM, then a new one
	ScaleUp                      // one worker more
	ScaleDown                    // one worker fewer, by SIGTERM
	Drain                        // all workers stop, one drains the topics, then they come back
	BrokerRestart                // SIGTERM and start
	BrokerKill                   // kill -9 and start
	LeaderMove                   // every partition gets another leader
	KafkaCut                     // connections between workers and Kafka are cut and refused
	KafkaDelay                   // they are slow
	StoreKill                    // the engine is killed and started over the same data
	StoreHang                    // it is stopped for a while
	StoreSlow                    // its connections are slow and narrow
	StoreRefuse                  // connection refused
	StoreUnavailable             // HTTP 503
	StoreAnswerCut               // requests arrive and are applied, answers do not come back
	StoreCut                     // connections break in the middle of requests
	StormDuplicate               // many records are sent again
	StormLate                    // many records are held back and come late
	StormPoison                  // records that nobody can read
	StormSkew                    // clients whose clocks are wrong
	numKinds
)

// class says what a fault works on. Two faults of one class never overlap,
// faults of different classes may.
type class uint8

const (
	onWorkers class = iota
	onKafka
	onStore
	onFeed
	numClasses
)

type kindOf struct {
	name     string
	class    class
	copies   int
	min, max time.Duration
	nodes    int // brokers it needs
}

// kinds describes every kind: how often it is in a deck, how long it holds.
var kinds = [numKinds]kindOf{
	WorkerKill:       {"worker_kill", onWorkers, 4, 0, 5 * time.Second, 1},
	WorkerZombie:     {"worker_zombie", onWorkers, 2, 0, 6 * time.Second, 1}, // on top of the session timeout
	WorkerRestart:    {"worker_restart", onWorkers, 2, 0, 2 * time.Second, 1},
	ScaleUp:          {"scale_up", onWorkers, 1, 0, 0, 1},
	ScaleDown:        {"scale_down", onWorkers, 1, 0, 0, 1},
	Drain:            {"drain", onWorkers, 1, 0, 0, 1},
	BrokerRestart:    {"broker_restart", onKafka, 1, 0, 4 * time.Second, 1},
	BrokerKill:       {"broker_kill", onKafka, 1, 0, 6 * time.Second, 1},
	LeaderMove:       {"leader_move", onKafka, 2, 0, 0, 3},
	KafkaCut:         {"kafka_cut", onKafka, 2, time.Second, 12 * time.Second, 1},
	KafkaDelay:       {"kafka_delay", onKafka, 1, 3 * time.Second, 10 * time.Second, 1},
	StoreKill:        {"store_kill", onStore, 2, 0, 4 * time.Second, 1},
	StoreHang:        {"store_hang", onStore, 2, time.Second, 24 * time.Second, 1},
	StoreSlow:        {"store_slow", onStore, 1, 3 * time.Second, 10 * time.Second, 1},
	StoreRefuse:      {"store_refuse", onStore, 1, time.Second, 10 * time.Second, 1},
	StoreUnavailable: {"store_503", onStore, 1, time.Second, 10 * time.Second, 1},
	StoreAnswerCut:   {"store_answer_cut", onStore, 3, 300 * time.Millisecond, 4 * time.Second, 1},
	StoreCut:         {"store_cut", onStore, 2, 500 * time.Millisecond, 6 * time.Second, 1},
	StormDuplicate:   {"storm_duplicate", onFeed, 1, 2 * time.Second, 10 * time.Second, 1},
	StormLate:        {"storm_late", onFeed, 1, 2 * time.Second, 10 * time.Second, 1},
	StormPoison:      {"storm_poison", onFeed, 1, 2 * time.Second, 8 * time.Second, 1},
	StormSkew:        {"storm_skew", onFeed, 1, 2 * time.Second, 10 * time.Second, 1},
}

func (k Kind) String() string { return kinds[k].name }

// Fault is one disturbance as it was drawn; all of it comes from the seed.
type Fault struct {
	Number int
	Kind   Kind
	Gap    time.Duration // since the fault before it began, at least
	Hold   time.Duration // how long it lasts
	Pick   int           // which worker, broker or lane: modulo those there are
	Force  float64       // how hard, 0 to 1
}

// Limits of the number of workers a schedule plans with.
const (
	minWorkers = 2
	maxWorkers = 4
)

// Schedule draws faults. It deals from shuffled decks, so that a short run too
// sees most kinds. What happens in the run does not change what is dealt.
type Schedule struct {
	rng     *rand.Rand
	nodes   int
	only    []Kind // nothing else is dealt; empty = everything
	every   time.Duration
	workers int
	number  int
	deck    []Kind
}

// NewSchedule gives the faults of a seed: one every so often on average, on a
// Kafka of so many brokers, with so many workers in the beginning. Given kinds,
// it deals no others.
func NewSchedule(seed uint64, every time.Duration, nodes, workers int, only ...Kind) *Schedule {
	return &Schedule{rng: rand.New(rand.NewPCG(seed, 0x736f616b)), nodes: nodes, every: every, workers: workers, only: only}
}

// ParseKinds reads names of kinds, separated by commas.
func ParseKinds(names string) ([]Kind, error) {
	var list []Kind
	for _, name := range strings.Split(names, ",") {
		k := slices.IndexFunc(kinds[:], func(d kindOf) bool { return d.name == name })
		if k < 0 {
			return nil, fmt.Errorf("there is no fault of kind %q", name)
		}
		list = append(list, Kind(k))
	}
	return list, nil
}

// Next draws the next fault.
func (s *Schedule) Next() Fault {
	if len(s.deck) == 0 {
		for k := range numKinds {
			for range kinds[k].copies {
				if kinds[k].nodes <= s.nodes && (len(s.only) == 0 || slices.Contains(s.only, k)) {
					s.deck = append(s.deck, k)
				}
			}
		}
		s.rng.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	k := s.deck[0]
	s.deck = s.deck[1:]
	// Between the limits both directions of scaling have their turn.
	if k == ScaleUp && s.workers >= maxWorkers {
		k = ScaleDown
	} else if k == ScaleDown && s.workers <= minWorkers {
		k = ScaleUp
	}
	switch k {
	case ScaleUp:
		s.workers++
	case ScaleDown:
		s.workers--
	}
	s.number++
	d := &kinds[k]
	f := Fault{Number: s.number, Kind: k, Pick: s.rng.IntN(1 << 20), Force: s.rng.Float64()}
	f.Gap = time.Duration(float64(s.every) * (0.2 + 1.6*s.rng.Float64())).Round(10 * time.Millisecond)
	// Short holds are as likely as long ones: both have their own surprises.
	lo, hi := float64(max(d.min, 100*time.Millisecond)), float64(d.max)
	u := s.rng.Float64()
	if d.max > 0 {
		f.Hold = time.Duration(lo * math.Exp(u*math.Log(hi/lo))).Round(10 * time.Millisecond)
	}
	return f
}
