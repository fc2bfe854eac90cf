package imports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/storepulse/storepulse/internal/gen"
)

// Whatever the file holds: every row is accounted for and every event is JSON.
func FuzzReader(f *testing.F) {
	table := func(format string) string {
		return strings.NewReplacer("SCOPE", "file", "ORDER", "time", "format: csv", "format: "+format).Replace(invoices)
	}
	objects := strings.Replace(table("jsonl"), ", header: true", "", 1)
	var mappings []*Mapping
	for _, text := range []string{views, table("csv"), table("tsv"), objects} {
		m, err := parseMapping([]byte(text))
		if err != nil {
			f.Fatal(err)
		}
		mappings = append(mappings, m)
	}
	f.Add(uint8(0), []byte("at,who,what\n2026-03-01 09:30,u1,home\nx,\"u\n1\",home\n"))
	f.Add(uint8(1), []byte("at,order,sku,price,n\n1772328600,A,s1,2.50,2\n1772328600,A,s2,0.015,1\n1772328600,B,s,-1,99999999999\n"))
	f.Add(uint8(2), []byte("at\torder\tsku\tprice\tn\n1772328600.5\tA\ts1\t2.50\t2\n"))
	f.Add(uint8(3), []byte(`{"at":1772328600,"order":"A","sku":"s\u0000","price":1.5,"n":2}`+"\n{"))
	f.Add(uint8(0), []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		in := &source{}
		if err := in.unpack(bytes.NewReader(data)); err != nil {
			return
		}
		r, err := newReader(in, mappings[int(which)%len(mappings)], Options{})
		if err != nil {
			return
		}
		n := int64(0)
		for e := (gen.Event{}); r.Next(&e); n++ {
			if !json.Valid(e.Value) || len(e.Key) == 0 {
				t.Fatalf("key %q, event %q", e.Key, e.Value)
			}
		}
		p := r.Report()
		if r.Err() == nil && p.Rows != p.Imported+p.Skipped+p.Unmatched+p.Rejected {
			t.Fatalf("rows do not add up: %+v", p)
		}
		if n != p.Events[0]+p.Events[1] && r.Err() == nil {
			t.Fatalf("%d events handed out, reported %v", n, p.Events)
		}
	})
}
