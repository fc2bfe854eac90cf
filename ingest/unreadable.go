package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/schemas"
)

// ErrUnreadable: however often it is tried, the lane cannot go on reading from
// its position, and only an operator can decide how. The text of the error says
// where and what can be done.
var ErrUnreadable = errors.New("no retry can read on")

// Causes of ErrUnreadable beside those of the decoder.
var (
	errRecreated = errors.New("the topic was deleted and created again")
	errTruncated = errors.New("the log lost records that had been read")
)

// What an operator can do about them.
const (
	skipBatch = "an operator must decide: have the batch removed with kafka-delete-records.sh, which deletes everything " +
		"before it in this partition as well (the lane then goes on behind it and counts what it had not read as lost to retention)"
	restoreTopic = "an operator must decide: restore the topic, or start with an empty database"
)

// unreadable gives the error of a lane for what no retry mends, nil for the rest.
func (s *source) unreadable(offset int64, err error) error {
	remedy := skipBatch
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, errOldMagic), errors.Is(err, errAsWritten):
	case errors.Is(err, errTruncated):
		remedy = restoreTopic
	case errors.Is(err, errRecreated) && time.Since(s.failing.since) > recreatedFor:
		remedy = restoreTopic
	default:
		return nil
	}
	return fmt.Errorf("read %s partition %d at offset %d: %w: %w; %s", s.name(), s.partition, offset, ErrUnreadable, err, remedy)
}

// doubtful says whether an answer may mean that the topic is not the one it was.
// For who fetches by name, every failure is time in which that may have happened.
func doubtful(err error) bool {
	return errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, kafka.UnknownTopicID) ||
		errors.Is(err, kafka.InconsistentTopicID) || errors.Is(err, kafka.OffsetOutOfRange)
}

// sameTopic asks whether the topic is still the one that the source began with.
func (s *source) sameTopic(ctx context.Context) error {
	if s.id == (schemas.ID{}) {
		return nil
	}
	ids, err := s.client.TopicIDs(ctx)
	if err != nil {
		return err
	}
	if id := ids[s.topic]; id != s.id {
		return fmt.Errorf("%w: its id is %x, and was %x", errRecreated, id, s.id)
	}
	return nil
}

// sameLog takes the leader's word that the log it has is not the one read before.
func sameLog(offset int64, d *divergence) error {
	if d == nil {
		return nil
	}
	return fmt.Errorf("%w: of those before offset %d the leader has only what was written up to offset %d in leader epoch %d", errTruncated, offset, min(d.end, offset), d.epoch)
}
