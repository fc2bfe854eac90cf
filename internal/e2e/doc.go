// Package e2e has tests only: whole programs on the embedded Kafka and on a
// real one, always on the real ClickHouse engine.
package e2e
