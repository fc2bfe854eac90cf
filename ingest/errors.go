package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/segmentio/kafka-go"
)

// ErrRetention: a range begins before the oldest record that Kafka still has.
// The error is a *RetentionError.
var ErrRetention = errors.New("removed by retention")

// ErrBeyondEnd: a position lies after the log end, so the topic was re-created
// or lost its tail. The error is a *BeyondEndError.
var ErrBeyondEnd = errors.New("beyond the log end")

// errSetup: nothing but an operator can help (credentials, rights, topics).
// Run ends with it instead of trying again.
var errSetup = errors.New("kafka is not set up for this worker")

// RetentionError says what was asked for and where the log begins now.
type RetentionError struct {
	Topic     string
	Partition uint32
	Offset    int64
	LogStart  int64
}

func (e *RetentionError) Error() string {
	return fmt.Sprintf("read %s partition %d from offset %d: %v, the log begins at %d", e.Topic, e.Partition, e.Offset, ErrRetention, e.LogStart)
}

func (e *RetentionError) Unwrap() error { return ErrRetention }

// BeyondEndError says what was asked for and where the log ends.
type BeyondEndError struct {
	Topic     string
	Partition uint32
	Offset    int64
	LogEnd    int64
}

func (e *BeyondEndError) Error() string {
	return fmt.Sprintf("read %s partition %d up to offset %d: %v at %d: the topic was re-created or truncated", e.Topic, e.Partition, e.Offset, ErrBeyondEnd, e.LogEnd)
}

func (e *BeyondEndError) Unwrap() error { return ErrBeyondEnd }

// setupError is an error with its remedy, recognised by errors.Is(err, errSetup).
type setupError struct {
	text  string
	cause error
}

func (e *setupError) Error() string   { return e.text }
func (e *setupError) Unwrap() []error { return []error{errSetup, e.cause} }

// setup turns an error that only an operator can mend into one that says how;
// other errors come back as nil.
func (c *Client) setup(err error) error {
	topics := strings.Join(c.cfg.Kafka.Topics.list(), " and ")
	fault := func(format string, args ...any) error {
		return &setupError{text: fmt.Sprintf(format, args...) + ": " + err.Error(), cause: err}
	}
	var (
		code      kafka.Error
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &authority):
		return fault("kafka.tls: the brokers' certificate is signed by an authority that is not trusted; name it in kafka.tls.ca_file")
	case errors.As(err, &host):
		return fault("kafka.tls: the brokers' certificate is for another name; correct kafka.brokers or set kafka.tls.server_name")
	case errors.As(err, &alert):
		return fault("kafka.tls: the brokers refused the connection; check kafka.tls.cert_file and kafka.tls.key_file")
	case !errors.As(err, &code):
		return nil
	}
	switch code {
	case kafka.SASLAuthenticationFailed:
		return fault("kafka.sasl: the brokers refused user %q; check kafka.sasl.user, password_file and mechanism", c.cfg.Kafka.SASL.User)
	case kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState:
		return fault("kafka.sasl: the brokers do not offer mechanism %q; see sasl.enabled.mechanisms of the listener", c.cfg.Kafka.SASL.Mechanism)
	case kafka.TopicAuthorizationFailed:
		return fault("kafka.topics: not allowed to read; grant Read and Describe on topics %s", topics)
	case kafka.GroupAuthorizationFailed:
		return fault("kafka.group: not allowed to join; grant Read on group %s", c.cfg.Kafka.Group)
	case kafka.ClusterAuthorizationFailed:
		return fault("kafka: not allowed to use the cluster; check the ACLs of user %q", c.cfg.Kafka.SASL.User)
	case kafka.InvalidSessionTimeout:
		return fault("kafka.session_timeout: %s is outside the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms", c.cfg.Kafka.SessionTimeout)
	case kafka.InconsistentGroupProtocol:
		return fault("kafka.group: group %s is used by another kind of consumer; give this pipeline a group of its own", c.cfg.Kafka.Group)
	case kafka.UnsupportedVersion:
		return fault("kafka: the brokers do not support a needed request; Kafka 2.8 or newer is required")
	}
	return nil
}

// unreachable says what to look at when no broker answered.
func (c *Client) unreachable(err error) error {
	if fixed := c.setup(err); fixed != nil {
		return fixed
	}
	brokers := strings.Join(c.cfg.Kafka.Brokers, ", ")
	hint := "is Kafka running there, and do its advertised.listeners match kafka.brokers?"
	if hungUp(err) {
		switch {
		case c.tls == nil:
			hint = "the connection was closed at once: does this listener expect TLS or SASL (kafka.tls, kafka.sasl)?"
		case c.sasl != nil:
			hint = "the connection was closed at once: are kafka.sasl.user and the password right, and does this listener expect SASL?"
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("kafka.brokers: no answer from %s within %s: %s", brokers, requestTimeout, hint)
	}
	return fmt.Errorf("kafka.brokers: cannot reach %s: %w: %s", brokers, err, hint)
}

// hungUp says whether the other side closed the connection. Closed with bytes
// unread it is reset, so which of the two a client sees is chance.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (c *Client) missingTopic(name string) error {
	return &setupError{
		text: fmt.Sprintf("topic %s does not exist on %s: create it, with as many partitions as the other input topic: "+
			"kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions 8",
			name, strings.Join(c.cfg.Kafka.Brokers, ", "), c.cfg.Kafka.Brokers[0], name),
		cause: kafka.UnknownTopicOrPartition,
	}
}
