package ingest

import (
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// apiVersions asks the broker at the other end how far it knows each request.
// kafka-go has asked as well, but tells only what it would choose itself.
func apiVersions(rw io.ReadWriter) (map[protocol.ApiKey]int16, error) {
	_, body, err := exchange(rw, requestHead(nil, int16(protocol.ApiVersions), 0, false), nil)
	if err != nil {
		return nil, err
	}
	r := wireReader{b: body}
	if code := kafka.Error(r.int16()); code != 0 {
		return nil, fmt.Errorf("ask for the broker's versions: %w", code)
	}
	versions := map[protocol.ApiKey]int16{}
	for n := r.int32(); n > 0 && r.err == nil; n-- {
		key := protocol.ApiKey(r.int16())
		r.skip(2) // the lowest
		versions[key] = r.int16()
	}
	return versions, r.err
}

// tooOld is the error of a broker that ends before what is needed of it.
func tooOld(request string, version, needed int16) error {
	return fmt.Errorf("%w: the broker's %s request ends at version %d and %d is needed", kafka.UnsupportedVersion, request, version, needed)
}
