package transform

import "github.com/storepulse/storepulse/schemas"

// event is what the state keeps of a clickstream event: 16 bytes from which
// every session row is computed. A visitor's events are ordered by (at, key).
type event struct {
	key  uint64 // schemas.EventKey
	at   uint32 // ms after the visitor's base
	meta uint32
}

const eventBytes = 16

// Layout of meta, from the low bit: kind 6, page type 4, channel 5, platform 3,
// region 6, user 4 (index into the visitor's users, 0 = none), flags 4.
const (
	flagTest uint32 = 1 << (28 + iota)
	flagInternal
	flagBot
	flagBarrier // the span ends here, whatever follows: the events up to here have left
)

// hashMask takes the identity out of a key; the rest is the producer's sequence.
const hashMask = 1<<48 - 1

func pack(kind, page, channel, platform, region, user uint8, flags uint32) uint32 {
	return uint32(kind) | uint32(page)<<6 | uint32(channel)<<10 | uint32(platform)<<15 | uint32(region)<<18 | uint32(user)<<24 | flags
}

func (e event) kind() schemas.Kind { return schemas.Kind(e.meta & 63) }
func (e event) page() uint8        { return uint8(e.meta >> 6 & 15) }
func (e event) channel() uint8     { return uint8(e.meta >> 10 & 31) }
func (e event) platform() uint8    { return uint8(e.meta >> 15 & 7) }
func (e event) region() uint8      { return uint8(e.meta >> 18 & 63) }
func (e event) user() uint8        { return uint8(e.meta >> 24 & 15) }

// before is the canonical order.
func (e event) before(o event) bool {
	return e.at < o.at || e.at == o.at && e.key < o.key
}
