// Package devmode runs what a single machine needs instead of servers: an
// embedded Kafka-compatible broker and an embedded ClickHouse. StartKafka and
// StartClickHouse start them, and whoever started one stops it; nothing else
// in the program knows that they are embedded.
//
// ClickHouse runs in a child process of the same program (ServeClickHouse):
// an engine crash then takes no worker with it. Both services ask for no
// password and therefore listen on loopback addresses only.
package devmode
