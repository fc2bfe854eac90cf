package devmode_test

import (
	"testing"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }
