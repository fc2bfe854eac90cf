package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/sink"
)

// TestWhatOnlyOperatorsMend: what no other try can mend stops the lane with a
// text that says what to do; what passes by itself does not.
func TestWhatOnlyOperatorsMend(t *testing.T) {
	for cause, remedy := range map[error]string{
		ingest.ErrUnreadable:      "epoch 7",
		checkpoint.ErrBrokenChain: "restore the database from a backup",
		sink.ErrBug:               "report this",
		sink.ErrNotApplied:        "", sink.ErrUnknown: "", sink.ErrFenced: "", ingest.ErrRetention: "",
	} {
		err := operators(fmt.Errorf("epoch 7: %w", cause))
		var stop *stopError
		if errors.As(err, &stop) != (remedy != "") || !strings.Contains(err.Error(), remedy) || !strings.Contains(err.Error(), "epoch 7") {
			t.Errorf("%v: %v", cause, err)
		}
	}
	if operators(nil) != nil {
		t.Error("no error stops a lane")
	}
}
