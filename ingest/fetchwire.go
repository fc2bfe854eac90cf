package ingest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// appendRequest writes a request for one topic and partition.
func (q fetchQuery) appendRequest(b []byte) []byte {
	be, flexible := binary.BigEndian, q.version >= fetchByID
	none := ^uint32(0)
	count := func(n byte) { // of an array
		if flexible {
			b = append(b, n+1)
		} else {
			b = append(b, 0, 0, 0, n)
		}
	}
	b = requestHead(b, int16(protocol.Fetch), q.version, flexible)
	b = be.AppendUint32(b, none) // replica id: a consumer
	b = be.AppendUint32(b, uint32(q.maxWait.Milliseconds()))
	b = be.AppendUint32(b, uint32(q.minBytes))
	b = be.AppendUint32(b, uint32(q.maxBytes))
	b = append(b, 1)             // isolation level: read committed
	b = be.AppendUint32(b, 0)    // session id: none
	b = be.AppendUint32(b, none) // session epoch: none
	count(1)
	if flexible {
		b = append(b, q.id[:]...)
	} else {
		b = append(be.AppendUint16(b, uint16(len(q.topic))), q.topic...)
	}
	count(1)
	b = be.AppendUint32(b, uint32(q.partition))
	b = be.AppendUint32(b, none) // the leader's epoch: any
	b = be.AppendUint64(b, uint64(q.offset))
	if flexible {
		b = be.AppendUint32(b, uint32(q.epoch))
	}
	b = be.AppendUint64(b, ^uint64(0)) // log start: a consumer
	b = be.AppendUint32(b, uint32(q.maxBytes))
	if flexible {
		b = append(b, 0, 0) // no tagged fields of the partition and the topic
	}
	count(0) // forgotten topics
	if flexible {
		return append(b, 1, 0) // rack: always the leader; no tagged fields
	}
	return append(b, 0, 0)
}

// parseFetchResponse reads a response body of one topic and partition.
func parseFetchResponse(b []byte, q fetchQuery) (fetchReply, error) {
	r := wireReader{b: b, flexible: q.version >= fetchByID}
	r.tags()
	r.skip(4) // throttle time
	if code := kafka.Error(r.int16()); code != 0 {
		return fetchReply{code: code}, r.err
	}
	r.skip(4) // session id
	if n := r.count(); r.err == nil && n != 1 {
		return fetchReply{}, fmt.Errorf("fetch response with %d topics, want 1", n)
	}
	if r.flexible {
		if id := r.take(len(q.id)); r.err == nil && string(id) != string(q.id[:]) {
			return fetchReply{}, fmt.Errorf("fetch response for topic %x, want %x (%s)", id, q.id, q.topic)
		}
	} else if topic := r.string(); r.err == nil && string(topic) != q.topic {
		return fetchReply{}, fmt.Errorf("fetch response for topic %q, want %q", topic, q.topic)
	}
	if n := r.count(); r.err == nil && n != 1 {
		return fetchReply{}, fmt.Errorf("fetch response with %d partitions, want 1", n)
	}
	if p := r.int32(); r.err == nil && p != q.partition {
		return fetchReply{}, fmt.Errorf("fetch response for partition %d, want %d", p, q.partition)
	}
	reply := fetchReply{code: kafka.Error(r.int16()), highWatermark: r.int64(), lastStable: r.int64(), logStart: r.int64()}
	if n := r.count(); n > 0 && r.err == nil {
		if n > len(r.b)/16 {
			return fetchReply{}, errShortResponse
		}
		reply.aborted = make([]abortedTransaction, n)
		for i := range reply.aborted {
			reply.aborted[i] = abortedTransaction{producer: r.int64(), first: r.int64()}
			r.tags()
		}
		// Brokers list them by their end.
		slices.SortFunc(reply.aborted, func(a, b abortedTransaction) int { return cmp.Compare(a.first, b.first) })
	}
	r.skip(4) // preferred replica: not asked for
	if n := r.count(); n > 0 {
		reply.records = r.take(n)
	}
	r.tagged(func(tag uint64, value wireReader) {
		if tag == 0 {
			reply.diverged = &divergence{epoch: value.int32(), end: value.int64()}
			if value.err != nil {
				r.err = value.err
			}
		}
	})
	if reply.lastStable < 0 {
		reply.lastStable = reply.highWatermark
	}
	return reply, r.err
}
