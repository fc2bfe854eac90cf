package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// result is one figure. The five stages of the standard event carry their name
// and cpu_s_per_million alone; whatever else there is to say is an object of
// its own.
type result struct {
	Stage     string  `json:"stage"`
	CPU       float64 `json:"cpu_s_per_million,omitempty"`
	Event     string  `json:"event,omitempty"`  // what kind of event, if not the standard one
	Events    int     `json:"events,omitempty"` // how many were measured
	Ratio     float64 `json:"ratio_to_calibration,omitempty"`
	Bytes     float64 `json:"bytes,omitempty"`
	Millis    float64 `json:"ms,omitempty"`
	CPUMillis float64 `json:"cpu_ms,omitempty"`
	Sessions  int     `json:"sessions,omitempty"`

	ratio float64 // to the calibration, for the table
	note  string
}

// The stages whose figures stand plain, for the standard event.
var plainStages = map[string]bool{"fetch": true, "decode": true, "transform": true, "insert": true, "worker": true}

// report collects figures in the order of measuring.
type report struct {
	results     []result
	calibration []float64
}

// cpu adds a CPU figure: seconds per million events, against the calibration
// that was measured around it.
func (r *report) cpu(stage, event string, events int, perMillion, calibration float64, note string) {
	res := result{Stage: stage, CPU: perMillion, ratio: perMillion / calibration, note: note}
	if !plainStages[stage] {
		res.Event, res.Events, res.Ratio = event, events, res.ratio
	}
	r.results = append(r.results, res)
}

func (r *report) finish() {
	if len(r.calibration) == 0 {
		return
	}
	sum := 0.0
	for _, c := range r.calibration {
		sum += c
	}
	r.results = append(r.results, result{
		Stage: "calibration-encoding-json", CPU: sum / float64(len(r.calibration)), Event: "315B", ratio: 1,
		note: fmt.Sprintf("mean of %d, from %.2f to %.2f", len(r.calibration), least(r.calibration), most(r.calibration)),
	})
}

func (r *report) table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stage\tcpu s per million\tevents per cpu s\tto encoding/json\t")
	for _, x := range r.results {
		if x.CPU > 0 {
			fmt.Fprintf(t, "%s\t%.3f\t%.0f\t%.3f\t %s\n", x.Stage, x.CPU, 1e6/x.CPU, x.ratio, x.note)
		}
	}
	t.Flush()
	for _, x := range r.results {
		if x.CPU == 0 {
			fmt.Fprintf(w, "%s: %s\n", x.Stage, x.note)
		}
	}
}

func (r *report) write(path string) error {
	b, err := json.MarshalIndent(r.results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

func least(list []float64) float64 {
	m := list[0]
	for _, x := range list {
		m = min(m, x)
	}
	return m
}

func most(list []float64) float64 {
	m := list[0]
	for _, x := range list {
		m = max(m, x)
	}
	return m
}

// lastCalibration is the mean of the two that were measured around the last stage.
func (r *report) lastCalibration() float64 {
	n := len(r.calibration)
	return (r.calibration[n-2] + r.calibration[n-1]) / 2
}
