package main

import (
	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/produce"
)

// producerConfig says to a producer what the configuration says of Kafka.
func producerConfig(cfg config.Config) (produce.Config, error) {
	transport, err := ingest.NewTransport(cfg.Kafka)
	if err != nil {
		return produce.Config{}, err
	}
	return produce.Config{Brokers: cfg.Kafka.Brokers, Transport: transport, Topics: cfg.Kafka.Topics.Names()}, nil
}

// newWriter gives a producer that has not connected yet.
func newWriter(cfg config.Config) (*produce.Writer, error) {
	producer, err := producerConfig(cfg)
	if err != nil {
		return nil, err
	}
	return produce.NewWriter(producer), nil
}
