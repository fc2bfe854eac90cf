package chhttp

import (
	"net/http"
	"slices"
	"strings"

	"github.com/storepulse/storepulse/internal/devmode/chdb"
)

// request is what a request's URL and headers ask for.
type request struct {
	query    string // the part of the statement that is in the URL
	database string
	format   string
	id       string
	revision string
	method   string // of compression
	settings map[string]string
	params   []chdb.Param

	compress, decompress bool
	encodings            bool // the client wants HTTP's own compression
	session              bool // asked for a session, which this interface does not keep
}

// maxValue is the server's http_max_field_value_size: a client that sends more
// must fail here as well.
const maxValue = 128 << 10

// checkLengths looks at the values as they were sent, before they are decoded.
func checkLengths(r *http.Request) error {
	for field := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if name, value, _ := strings.Cut(field, "="); len(value) > maxValue {
			return &statusError{http.StatusInternalServerError, 1000, "HTML Form Exception: Field value too long: " + name + ". (POCO_EXCEPTION)"}
		}
	}
	return nil
}

// parseRequest sorts the URL's parameters: those of the interface itself,
// param_NAME, and the rest, which are settings.
func parseRequest(r *http.Request) *request {
	q := &request{format: "TabSeparated", settings: map[string]string{}}
	for name, values := range r.URL.Query() {
		v := values[0]
		switch name {
		case "query":
			q.query = v
		case "database":
			q.database = v
		case "default_format":
			q.format = v
		case "query_id":
			q.id = v
		case "client_protocol_version":
			q.revision = v
		case "compress":
			q.compress = v == "1"
		case "decompress":
			q.decompress = v == "1"
		case "network_compression_method":
			q.method = v
		case "enable_http_compression":
			q.encodings = v == "1"
		case "session_id":
			q.session = true
		case "quota_key", "session_timeout", "session_check", "session_timezone", "user", "password", "role", "stacktrace",
			"close_session", "add_http_cors_header", "network_zstd_compression_level", "wait_end_of_query", "buffer_size":
			// These concern users, sessions and buffering, which do not exist here.
		default:
			if p, ok := strings.CutPrefix(name, "param_"); ok {
				q.params = append(q.params, chdb.Param{Name: p, Value: v})
			} else {
				q.settings[name] = v
			}
		}
	}
	slices.SortFunc(q.params, func(a, b chdb.Param) int { return strings.Compare(a.Name, b.Name) })
	if v := r.Header.Get("X-ClickHouse-Database"); v != "" {
		q.database = v
	}
	if v := r.Header.Get("X-ClickHouse-Format"); v != "" {
		q.format = v
	}
	if q.id != "" {
		// The engine draws its own query ids; the client's is shown as the
		// comment of the running statement in system.processes.
		if _, ok := q.settings["log_comment"]; !ok {
			q.settings["log_comment"] = q.id
		}
	}
	return q
}
