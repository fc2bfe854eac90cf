package judge

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/schemas"
)

// letter is what stands in dead_letters for a position.
type letter struct {
	reason string
	n      int
}

// refusal is a row that a table never took.
type refusal struct {
	at    position
	table string
}

func (j *judgement) loadLetters(ctx context.Context, _ Records) error {
	j.letters, j.refused = map[position]letter{}, map[refusal]bool{}
	return j.each(ctx, "dead_letters", "SELECT kafka_topic, kafka_partition, kafka_offset, reason, refused_table FROM dead_letters", func(rows driver.Rows) error {
		var at position
		var topic, reason, table string
		var partition uint32
		if err := rows.Scan(&topic, &partition, &at.offset, &reason, &table); err != nil {
			return err
		}
		var err error
		if at.topic, err = j.topicOf(topic); err != nil {
			return err
		}
		at.partition = int32(partition)
		if reason == schemas.ReasonRefused.String() {
			j.refused[refusal{at, table}] = true
			return nil
		}
		l := j.letters[at]
		j.letters[at] = letter{reason, l.n + 1}
		return nil
	})
}

// judgeLetter looks for the dead letter of a record that cannot be accepted.
func (j *judgement) judgeLetter(at position, reason string) {
	l, ok := j.letters[at]
	delete(j.letters, at)
	switch {
	case !ok:
		j.report.fail(&j.report.LettersWrong, "dead letter: none stands for %s, whose reason is %s", at, reason)
	case l.n > 1:
		j.report.fail(&j.report.LettersWrong, "dead letter: %d stand for %s", l.n, at)
	case l.reason != reason:
		j.report.fail(&j.report.LettersWrong, "dead letter: %s has reason %s, want %s", at, l.reason, reason)
	}
}

// judgeStrayLetters names the dead letters of records that are not there or not broken.
func (j *judgement) judgeStrayLetters() {
	for at, l := range j.letters {
		j.report.fail(&j.report.LettersWrong, "dead letter: %s stands as %s, but no such broken record lies there", at, l.reason)
	}
}
