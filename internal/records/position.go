// Package records reads single Kafka records by their position, for people: a
// trace of one event, a dead letter whose full bytes are wanted. Nobody starts
// it; whoever made a Reader closes it.
package records

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// Position is where a record stands in Kafka.
type Position struct {
	Topic     string `json:"topic"`
	Partition uint32 `json:"partition"`
	Offset    int64  `json:"offset"`
}

func (p Position) String() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// Compare orders positions by topic, partition and offset.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Topic, q.Topic), cmp.Compare(p.Partition, q.Partition), cmp.Compare(p.Offset, q.Offset))
}

// ParsePosition reads topic/partition/offset. For the topic, clickstream and
// orders stand for the configured names.
func ParsePosition(text string, topics [schemas.NumTopics]string) (Position, error) {
	fail := func(why string) (Position, error) {
		return Position{}, fmt.Errorf("position %q: %s; want topic/partition/offset, such as %s/0/1234", text, why, topics[schemas.Clickstream])
	}
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return fail("it does not have three parts")
	}
	partition, err := strconv.ParseUint(parts[1], 10, 31)
	if err != nil {
		return fail("the partition is not a number")
	}
	offset, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || offset < 0 {
		return fail("the offset is not a number")
	}
	p := Position{Topic: parts[0], Partition: uint32(partition), Offset: offset}
	for t, name := range topics {
		if p.Topic == schemas.Topic(t).String() {
			p.Topic = name
		}
	}
	if _, ok := TopicOf(p.Topic, topics); !ok {
		return fail(fmt.Sprintf("the topic is neither %s nor %s", topics[0], topics[1]))
	}
	return p, nil
}

// TopicOf finds a configured topic by its name.
func TopicOf(name string, topics [schemas.NumTopics]string) (schemas.Topic, bool) {
	for t, n := range topics {
		if n == name {
			return schemas.Topic(t), true
		}
	}
	return 0, false
}
