package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/storepulse/storepulse/schemas"
)

// TopicIDs gives the ids that Kafka drew when it created the topics: a topic
// of the same name that was created again has another. They need Kafka 2.8.
func (c *Client) TopicIDs(ctx context.Context) ([schemas.NumTopics]schemas.ID, error) {
	var ids [schemas.NumTopics]schemas.ID
	names := c.cfg.Kafka.Topics.list()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.transport.RoundTrip(ctx, c.admin.Addr, &topicIDMessage{names: names})
	if err != nil {
		if fixed := c.setup(err); fixed != nil {
			return ids, fixed
		}
		return ids, fmt.Errorf("ask for the ids of topics %v: %w", names, err)
	}
	m := res.(*topicIDMessage)
	for t, name := range names {
		topic, ok := m.topics[name]
		if !ok || topic.code == kafka.UnknownTopicOrPartition {
			return ids, c.missingTopic(name)
		}
		if topic.code != 0 {
			if fixed := c.setup(topic.code); fixed != nil {
				return ids, fixed
			}
			return ids, fmt.Errorf("ask for the id of topic %s: %w", name, topic.code)
		}
		if topic.id == (schemas.ID{}) {
			return ids, &setupError{
				text:  fmt.Sprintf("topic %s has no id: the brokers' inter.broker.protocol.version is below 2.8; raise it", name),
				cause: kafka.UnsupportedVersion,
			}
		}
		ids[t] = topic.id
	}
	return ids, nil
}

// Identity names the two topics as they stand in every plan: by name and id.
// Lanes made from now on read these topics and no others of the same names.
func (c *Client) Identity(ctx context.Context) (string, error) {
	ids, err := c.TopicIDs(ctx)
	if err != nil {
		return "", err
	}
	c.ids.Store(&ids)
	names := c.cfg.Kafka.Topics.list()
	return fmt.Sprintf("%s#%x+%s#%x", names[0], ids[0], names[1], ids[1]), nil
}

// topicIDMessage is a Metadata request of version 10, the first that answers
// with ids; kafka-go's own ends at 8.
type topicIDMessage struct {
	names  []string
	topics map[string]topicID
}

type topicID struct {
	code kafka.Error
	id   schemas.ID
}

const topicIDVersion = 10

func (m *topicIDMessage) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Required always asks for the raw exchange.
func (m *topicIDMessage) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request and reads the response.
func (m *topicIDMessage) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	versions, err := apiVersions(rw)
	if err != nil {
		return nil, err
	}
	if v := versions[protocol.Metadata]; v < topicIDVersion {
		return nil, tooOld("Metadata", v, topicIDVersion)
	}
	_, body, err := exchange(rw, m.appendRequest(nil), nil)
	if err != nil {
		return nil, err
	}
	topics, err := parseTopicIDs(body)
	return &topicIDMessage{topics: topics}, err
}

func (m *topicIDMessage) appendRequest(b []byte) []byte {
	b = requestHead(b, int16(protocol.Metadata), topicIDVersion, true)
	b = binary.AppendUvarint(b, uint64(len(m.names))+1)
	for _, name := range m.names {
		b = append(b, make([]byte, 16)...) // by name, not by id
		b = binary.AppendUvarint(b, uint64(len(name))+1)
		b = append(b, name...)
		b = append(b, 0)
	}
	return append(b, 0, 0, 0, 0) // create nothing, no authorized operations, no tagged fields
}

// parseTopicIDs reads as far as the topics go.
func parseTopicIDs(b []byte) (map[string]topicID, error) {
	r := wireReader{b: b, flexible: true}
	r.tags()
	r.skip(4) // throttle time
	for range r.length() {
		r.skip(4) // broker id
		r.compact()
		r.skip(4) // port
		r.compact()
		r.tags()
	}
	r.compact() // cluster id
	r.skip(4)   // controller
	topics := map[string]topicID{}
	for range r.length() {
		topic := topicID{code: kafka.Error(r.int16())}
		name := string(r.compact())
		copy(topic.id[:], r.take(16))
		r.skip(1) // internal
		for range r.length() {
			r.skip(2 + 4 + 4 + 4) // error, partition, leader, leader epoch
			for range 3 {
				r.skip(4 * r.length()) // replicas, in sync, offline
			}
			r.tags()
		}
		r.skip(4) // authorized operations
		r.tags()
		topics[name] = topic
	}
	return topics, r.err
}
