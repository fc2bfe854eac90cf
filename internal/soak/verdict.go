package soak

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/judge"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// verdict holds the tables against the topics, and log, ledger and tables
// against each other. All workers have drained and gone. The error says what is wrong, in
// words; the result has the three counts.
func verdict(ctx context.Context, brokers []string, cfg config.Config) (res Result, said string, err error) {
	c := cfg.ClickHouse()
	client, err := clickhouse.New(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return res, said, err
	}
	defer func() { _ = client.Close() }()
	settings, err := judge.SettingsOf(cfg)
	if err != nil {
		return res, said, err
	}
	reading, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	records, err := judge.Read(reading, brokers, settings.Vocabulary.Topics)
	if err != nil {
		return res, said, err
	}
	rep, err := judge.Check(ctx, records, client, settings)
	if err != nil {
		return res, said, err
	}
	said = rep.String()
	res.Events, res.Lost, res.Duplicated, res.SessionsWrong = rep.Events, rep.Lost, rep.Duplicated, rep.SessionsWrong
	err = rep.Err()
	if rep.Events == 0 || rep.Sessions == 0 {
		err = errors.Join(err, fmt.Errorf("nothing was checked: %d events, %d sessions", rep.Events, rep.Sessions))
	}
	v, verr := verified(ctx, brokers, cfg, client)
	if verr != nil {
		return res, said, errors.Join(err, verr)
	}
	if !v.Agrees() {
		err = errors.Join(err, fmt.Errorf("log, ledger and tables disagree: %+v", v.Findings))
	}
	b := v.Total()
	if taken := b.Consumed[0] + b.Consumed[1]; taken != int64(len(records)) {
		err = errors.Join(err, fmt.Errorf("the ledger has taken %d records, the topics hold %d", taken, len(records)))
	}
	visitors, read, unread := uint64(0), int64(0), uint64(0)
	for _, l := range v.Lanes {
		visitors, read, unread = visitors+l.Visitors.Agree, read+l.Records, unread+l.Unread
	}
	if unread > 0 || read == 0 || visitors == 0 {
		err = errors.Join(err, fmt.Errorf("verify has compared too little: %d records read again, %d epochs not in Kafka, the sessions of %d visitors", read, unread, visitors))
	}
	return res, said, err
}

// verified is `storepulse verify --records`: by the ledger's own account, where
// the judgement goes by the records alone.
func verified(ctx context.Context, brokers []string, cfg config.Config, client *clickhouse.Client) (*verify.Report, error) {
	cfg.Kafka.Brokers = brokers
	kafka, err := ingest.New(cfg.Source(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	defer func() { _ = kafka.Close() }()
	if _, err := kafka.Check(ctx); err != nil {
		return nil, err
	}
	opt := cfg.Verify()
	opt.Records, opt.Log = true, verify.NewKafka(kafka)
	return verify.Check(ctx, checkpoint.NewStore(client, cfg.Pipeline.ID), client, opt)
}
