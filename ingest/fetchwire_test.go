package ingest

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/storepulse/storepulse/schemas"
)

func testQuery(version int16) fetchQuery {
	return fetchQuery{
		topic: "t", id: schemas.ID(bytes.Repeat([]byte{7}, 16)), version: version, partition: 3, offset: 70, epoch: 5,
		minBytes: 1, maxBytes: 1 << 20, maxWait: time.Second,
	}
}

// What is written is what another client's codec reads.
func TestFetchRequest(t *testing.T) {
	for _, version := range []int16{fetchByName, fetchByID} {
		q := testQuery(version)
		want := kmsg.NewPtrFetchRequest()
		want.Version, want.MaxWaitMillis, want.MinBytes, want.MaxBytes, want.IsolationLevel, want.SessionEpoch = version, 1000, 1, 1<<20, 1, -1
		topic, part := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.FetchOffset, part.LogStartOffset, part.PartitionMaxBytes = 3, 70, -1, 1<<20
		if version == fetchByID {
			topic.TopicID, part.LastFetchedEpoch = q.id, 5
		} else {
			topic.Topic = "t"
		}
		topic.Partitions = append(topic.Partitions, part)
		want.Topics = append(want.Topics, topic)
		head := len(requestHead(nil, 1, version, version >= fetchByID))
		if diff := cmp.Diff(q.appendRequest(nil)[head:], want.AppendTo(nil)); diff != "" {
			t.Errorf("version %d (-got, +want):\n%s", version, diff)
		}
	}
}

// A broker lists aborted transactions by their end: the one that began last may
// stand first.
func TestFetchResponse(t *testing.T) {
	for _, version := range []int16{fetchByName, fetchByID} {
		q := testQuery(version)
		res := kmsg.NewPtrFetchResponse()
		res.Version = version
		topic, part := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
		topic.Topic, topic.TopicID = q.topic, q.id
		part.Partition, part.HighWatermark, part.LastStableOffset, part.LogStartOffset, part.PreferredReadReplica = 3, 90, 80, 2, -1
		part.RecordBatches = []byte("records")
		aborted := []abortedTransaction{{producer: 2, first: 10}, {producer: 1, first: 20}, {producer: 2, first: 41}}
		for _, i := range []int{1, 0, 2} {
			a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
			a.ProducerID, a.FirstOffset = aborted[i].producer, aborted[i].first
			part.AbortedTransactions = append(part.AbortedTransactions, a)
		}
		want := fetchReply{highWatermark: 90, lastStable: 80, logStart: 2, aborted: aborted, records: []byte("records")}
		if version == fetchByID {
			part.CurrentLeader.LeaderID, part.CurrentLeader.LeaderEpoch = 2, 9
			part.DivergingEpoch.Epoch, part.DivergingEpoch.EndOffset = 4, 66
			want.diverged = &divergence{epoch: 4, end: 66}
		}
		topic.Partitions = append(topic.Partitions, part)
		res.Topics = append(res.Topics, topic)
		body := res.AppendTo(nil)
		if version == fetchByID {
			body = append([]byte{0}, body...) // the header's tagged fields
		}
		got, err := parseFetchResponse(body, q)
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if diff := cmp.Diff(got, want, cmp.AllowUnexported(fetchReply{}, divergence{}, abortedTransaction{})); diff != "" {
			t.Errorf("version %d (-got, +want):\n%s", version, diff)
		}
		for n := range body {
			// What a truncated response lacks may be its last tagged fields only.
			if short, err := parseFetchResponse(body[:n], q); err == nil && !bytes.Equal(short.records, want.records) {
				t.Errorf("version %d: %d of %d bytes gave %v", version, n, len(body), short)
			}
		}
	}
}
