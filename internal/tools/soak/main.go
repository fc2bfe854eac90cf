// Command soak disturbs real workers on a real Kafka and the real ClickHouse
// engine, and judges what they have written; `make soak` runs it. Its last line
// is the verdict, its exit code 1 if anything is wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/storepulse/storepulse/internal/soak"
)

func main() { os.Exit(execute()) }

func execute() int {
	var o soak.Options
	var scenario string
	flag.StringVar(&o.Binary, "binary", "bin/storepulse", "the built program")
	flag.StringVar(&o.Kafka, "kafka", "tools/kafka/kafka.sh", "the script that runs a real Kafka")
	flag.IntVar(&o.KafkaPort, "kafka-port", 29092, "port of the first broker, seven further, ten further for the next broker; and from a hundred further on one for each worker")
	flag.IntVar(&o.Nodes, "nodes", 3, "brokers, 1 or 3; leaders move only among 3")
	flag.StringVar(&o.Dir, "dir", "build/soak", "logs go into a folder of it, named by the seed")
	flag.Uint64Var(&o.Seed, "seed", 0, "decides faults and events; 0 = drawn by the clock")
	flag.DurationVar(&o.For, "for", 3*time.Minute, "how long faults are drawn")
	flag.DurationVar(&o.Every, "every", 5*time.Second, "a fault so often, on average")
	only := flag.String("only", "", "kinds of faults, separated by commas; no others are drawn")
	flag.IntVar(&o.LeastFaults, "faults", 0, "fewer faults than this fail the run, which lasts up to three times -for until they have happened")
	flag.IntVar(&o.LeastKinds, "kinds", 0, "the same for kinds of faults")
	flag.Float64Var(&o.Rate, "rate", 300, "events per second")
	flag.IntVar(&o.Lanes, "lanes", 4, "partitions of each topic")
	flag.StringVar(&scenario, "scenario", "faults", "faults, or outage: the store is down for -for")
	flag.Parse()
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	if *only != "" {
		var err error
		if o.Only, err = soak.ParseKinds(*only); err != nil {
			fmt.Fprintf(os.Stderr, "soak: -only: %v\n", err)
			return 2
		}
	}
	switch scenario {
	case "faults":
	case "outage":
		o.Outage = o.For
		o.For = 2*o.Outage + 10*time.Minute // the outage ends it, not the clock
	default:
		fmt.Fprintf(os.Stderr, "soak: -scenario: want faults or outage (got %q)\n", scenario)
		return 2
	}
	if o.Nodes != 1 && o.Nodes != 3 {
		fmt.Fprintf(os.Stderr, "soak: -nodes: want 1 or 3 (got %d)\n", o.Nodes)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	fmt.Printf("soak: seed %d (repeat with SOAK_SEED=%d: same faults and same shoppers; when they meet is up to the machine)\n", o.Seed, o.Seed)
	res, err := soak.Run(ctx, o, os.Stdout)
	if err == nil && (res.Faults < o.LeastFaults || res.Kinds < o.LeastKinds) {
		err = fmt.Errorf("%d faults of %d kinds took place, wanted at least %d of %d", res.Faults, res.Kinds, o.LeastFaults, o.LeastKinds)
	}
	if err != nil {
		fmt.Printf("soak failed (seed %d):\n%v\n", o.Seed, err)
	}
	fmt.Println(res)
	if err != nil {
		return 1
	}
	return 0
}
