package ingest

import (
	"time"

	"github.com/segmentio/kafka-go"
)

// NewTransport gives a connection to Kafka with the configuration's TLS and
// SASL, for producers. The caller closes its idle connections.
func NewTransport(cfg KafkaConfig) (*kafka.Transport, error) {
	tlsConfig, err := cfg.TLS.load()
	if err != nil {
		return nil, err
	}
	mechanism, err := cfg.SASL.load()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{ClientID: clientID, TLS: tlsConfig, SASL: mechanism, DialTimeout: 5 * time.Second, MetadataTTL: metadataTTL}, nil
}
