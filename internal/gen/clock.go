package gen

import (
	"math"
	"math/rand/v2"
	"time"
)

// hourWeights is the shape of a shop's day: quiet before dawn, a bump at
// lunch, the peak after dinner.
var hourWeights = [24]float64{
	0.62, 0.38, 0.22, 0.15, 0.13, 0.17, 0.33, 0.62, 0.92, 1.12, 1.26, 1.24,
	1.28, 1.22, 1.14, 1.12, 1.10, 1.06, 1.14, 1.42, 1.72, 1.82, 1.58, 1.06,
}

// dayCurve is the intensity by minute of the local day, 1 on average.
type dayCurve struct {
	minute [1440]float64
	max    float64
}

func newDayCurve(flat bool) dayCurve {
	var c dayCurve
	sum := 0.0
	for m := range c.minute {
		h, part := m/60, float64(m%60)/60
		c.minute[m] = hourWeights[h]*(1-part) + hourWeights[(h+1)%24]*part
		if flat {
			c.minute[m] = 1
		}
		sum += c.minute[m]
	}
	for m := range c.minute {
		c.minute[m] *= 1440 / sum
		c.max = max(c.max, c.minute[m])
	}
	return c
}

func (c *dayCurve) at(minute int) float64 { return c.minute[minute] }

// zoneClock gives the local minute of the day; the offset is looked up once
// per quarter of an hour, the finest step at which zones change.
type zoneClock struct {
	zone    *time.Location
	quarter int64
	offset  int64 // ms
}

func (z *zoneClock) minute(ms int64) int {
	if q := ms / 900_000; q != z.quarter {
		_, off := time.UnixMilli(ms).In(z.zone).Zone()
		z.quarter, z.offset = q, int64(off)*1000
	}
	const day = 86_400_000
	return int(((ms+z.offset)%day + day) % day / 60_000)
}

// dateCache renders RFC 3339 times with milliseconds; the date is formatted
// once per day.
type dateCache struct {
	day  int64
	text []byte
}

func (d *dateCache) append(b []byte, ms int64) []byte {
	const day = 86_400_000
	n := ms / day
	rest := ms % day
	if rest < 0 {
		n, rest = n-1, rest+day
	}
	if n != d.day {
		d.day = n
		d.text = time.UnixMilli(n*day).UTC().AppendFormat(d.text[:0], "2006-01-02T")
	}
	b = append(b, d.text...)
	h, m, s, f := rest/3_600_000, rest/60_000%60, rest/1000%60, rest%1000
	return append(b, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10),
		'.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
}

// mix is splitmix64's finalizer: one well-spread number from another.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// logUniform draws from [lo, hi) so that each factor of ten is as likely.
func logUniform(rng *rand.Rand, lo, hi float64) int64 {
	return int64(lo * math.Exp(rng.Float64()*math.Log(hi/lo)))
}
