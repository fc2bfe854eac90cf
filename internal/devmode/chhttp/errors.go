package chhttp

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/storepulse/storepulse/internal/devmode/chdb"
)

// statusError is an error of the interface itself.
type statusError struct {
	status, code int
	text         string
}

func (e *statusError) Error() string { return e.text }

// fail answers with an exception as a server would: a status and headers
// before the first byte of output, a marked block and a broken connection after.
func (h *Handler) fail(w http.ResponseWriter, o *output, err error) {
	status, code, text := h.describe(err)
	if o.begun {
		// A reader of a compressed or binary stream cannot take this for data,
		// and the broken connection keeps a short result from passing as whole.
		_ = o.write([]byte("\r\n__exception__\r\n" + text + "\n"))
		_ = o.close()
		_ = http.NewResponseController(w).Flush() // what an aborted response still holds is dropped
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	header.Set("X-ClickHouse-Exception-Code", strconv.Itoa(code))
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Del("Content-Encoding")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

func (h *Handler) describe(err error) (status, code int, text string) {
	var own *statusError
	var engine *chdb.Error
	switch {
	case errors.As(err, &own):
		return own.status, own.code, h.exception(own.code, own.text)
	case errors.Is(err, errBusy):
		return http.StatusServiceUnavailable, 202, h.exception(202, err.Error()+". (TOO_MANY_SIMULTANEOUS_QUERIES)")
	case errors.As(err, &engine):
		text := strings.TrimSpace(engine.Text)
		if !strings.Contains(text, "(version ") {
			text += " (version " + h.version + ")"
		}
		return statusOf(engine.Code), engine.Code, text
	default:
		return http.StatusInternalServerError, 1002, h.exception(1002, err.Error())
	}
}

func (h *Handler) exception(code int, text string) string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s (version %s)", code, text, h.version)
}

// statusOf maps error codes to statuses as clickhouse-server does.
func statusOf(code int) int {
	switch code {
	case 516, 192, 193, 194:
		return http.StatusForbidden
	case 497:
		return http.StatusForbidden
	case 6, 26, 27, 36, 38, 41, 43, 44, 47, 51, 53, 62, 70, 72, 130, 386:
		return http.StatusBadRequest
	case 46, 48, 50, 60, 81, 115:
		if code == 48 {
			return http.StatusNotImplemented
		}
		return http.StatusNotFound
	case 159:
		return http.StatusRequestTimeout
	case 202:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
