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
		return ids, fmt.Errorf("ask for the ids of topics %v: %w", names, err)
	}
	m := res.(*topicIDMessage)
	for t, name := range names {
		topic, ok := m.topics[name]
		if !ok || topic.code == kafka.UnknownTopicOrPartition {
			return ids, c.missingTopic(name)
		}
		if topic.code != 0 {
			return ids, fmt.Errorf("ask for the id of topic %s: %w", name, topic.code)
		}
		ids[t] = topic.id
	}
	return ids, nil
}

// Identity names the two topics as they stand in every plan: by name and id.
func (c *Client) Identity(ctx context.Context) (string, error) {
	ids, err := c.TopicIDs(ctx)
	if err != nil {
		return "", err
	}
	names := c.cfg.Kafka.Topics.list()
	return fmt.Sprintf("%s#%x+%s#%x", names[0], ids[0], names[1], ids[1]), nil
}

// identify keeps the identity for the assignments to come.
func (c *Client) identify(ctx context.Context) (err error) {
	c.identity, err = c.Identity(ctx)
	return err
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
	if _, err := rw.Write(m.appendRequest(nil)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	n := int64(int32(binary.BigEndian.Uint32(size[:])))
	if n < 4 || n > 64<<20 {
		return nil, fmt.Errorf("metadata response of %d bytes", n)
	}
	body, err := readBody(rw, nil, int(n))
	if err != nil {
		return nil, err
	}
	topics, err := parseTopicIDs(body)
	return &topicIDMessage{topics: topics}, err
}

func (m *topicIDMessage) appendRequest(b []byte) []byte {
	be := binary.BigEndian
	b = append(b, 0, 0, 0, 0) // size, set below
	b = be.AppendUint16(b, uint16(protocol.Metadata))
	b = be.AppendUint16(b, topicIDVersion)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint16(b, uint16(len(clientID)))
	b = append(b, clientID...)
	b = append(b, 0) // no tagged fields
	b = binary.AppendUvarint(b, uint64(len(m.names))+1)
	for _, name := range m.names {
		b = append(b, make([]byte, 16)...) // by name, not by id
		b = binary.AppendUvarint(b, uint64(len(name))+1)
		b = append(b, name...)
		b = append(b, 0)
	}
	b = append(b, 0, 0, 0, 0) // create nothing, no authorized operations, no tagged fields
	be.PutUint32(b, uint32(len(b)-4))
	return b
}

// parseTopicIDs reads as far as the topics go.
func parseTopicIDs(b []byte) (map[string]topicID, error) {
	r := wireReader{b: b}
	r.skip(4) // correlation id
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

// uvarint, length, compact and tags belong to the flexible encoding.
func (r *wireReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err = errShortResponse
	}
	r.skip(max(n, 0))
	return v
}

// length is that of an array or string: one less than written, 0 for null. No
// more than the bytes at hand could hold.
func (r *wireReader) length() int {
	v := r.uvarint()
	if r.err != nil || v == 0 {
		return 0
	}
	if v-1 > uint64(len(r.b)) {
		r.err = errShortResponse
		return 0
	}
	return int(v - 1)
}

func (r *wireReader) compact() []byte { return r.take(r.length()) }

func (r *wireReader) tags() {
	n := r.uvarint()
	for ; n > 0 && r.err == nil; n-- {
		r.uvarint()
		size := r.uvarint()
		if size > uint64(len(r.b)) {
			r.err = errShortResponse
			return
		}
		r.skip(int(size))
	}
}
