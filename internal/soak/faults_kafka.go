package soak

import (
	"context"
	"errors"
	"time"
)

// brokerRestart stops one broker in order and starts it again.
func (r *run) brokerRestart(ctx context.Context, f Fault) (time.Time, error) {
	node := f.Pick % r.brokers.nodes
	// An end by SIGTERM is exit code 143; a broker that does not end is killed.
	_ = r.brokers.process(node).stop(30 * time.Second)
	r.hold(ctx, f.Hold)
	err := r.brokers.again(context.WithoutCancel(ctx), node)
	return time.Now(), err
}

func (r *run) brokerKill(ctx context.Context, f Fault) (time.Time, error) {
	node := f.Pick % r.brokers.nodes
	r.brokers.process(node).kill()
	r.hold(ctx, f.Hold)
	err := r.brokers.again(context.WithoutCancel(ctx), node)
	return time.Now(), err
}

func (r *run) leaderMove(ctx context.Context, _ Fault) (time.Time, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := r.brokers.moveLeaders(ctx, r.topics[:]...)
	return time.Now(), err
}

// kafkaCut closes the workers' connections to Kafka and refuses new ones: to
// one broker, or to all.
func (r *run) kafkaCut(ctx context.Context, f Fault) (time.Time, error) {
	proxies := r.network.kafka
	if f.Force < 0.5 {
		n := f.Pick % len(proxies)
		proxies = proxies[n : n+1]
	}
	for _, p := range proxies {
		p.Stop()
	}
	r.hold(ctx, f.Hold)
	var err error
	for _, p := range proxies {
		err = errors.Join(err, heal(p))
	}
	return time.Now(), err
}

// kafkaDelay makes every answer of Kafka late, by up to a second.
func (r *run) kafkaDelay(ctx context.Context, f Fault) (time.Time, error) {
	ms := 50 + int(900*f.Force)
	var err error
	for _, p := range r.network.kafka {
		err = errors.Join(err, toxic(p, "latency", "downstream", 1, map[string]any{"latency": ms, "jitter": ms / 2}))
	}
	r.hold(ctx, f.Hold)
	for _, p := range r.network.kafka {
		err = errors.Join(err, heal(p))
	}
	return time.Now(), err
}
