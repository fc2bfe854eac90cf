package gen

import "github.com/storepulse/storepulse/schemas"

// profile is what is constant about a visitor. It is derived from the
// visitor's number, so that nobody has to be remembered.
type profile struct {
	visitor    uint64
	platform   schemas.Platform
	region     uint8 // index into schemas.RegionNames
	agent      uint8
	account    bool   // has a user id
	user       uint64 // 0 = none
	housemate  uint64 // second user of a shared device, 0 = none
	skew       int64  // ms that the client clock is ahead
	sendsTimes bool   // tracker sends senttime and receivedtime
	eager      float64
}

var platformShares = []struct {
	platform schemas.Platform
	share    float64
}{
	{schemas.PlatformMiniProgram, 0.29},
	{schemas.PlatformAppAndroid, 0.23},
	{schemas.PlatformAppIOS, 0.17},
	{schemas.PlatformH5, 0.16},
	{schemas.PlatformWebPC, 0.14},
	{schemas.PlatformOther, 0.01},
}

// regionShares are the provinces by their share of online shoppers, in percent;
// the order is that of schemas.RegionNames from index 1.
var regionShares = [34]float64{
	3.6, 3.1, 2.0, 3.6, 13.2, 1.2, 2.6, 1.7, 5.4, 3.7, 4.2, 0.7,
	0.3, 1.7, 3.9, 1.2, 9.1, 2.4, 2.3, 0.1, 1.3, 0.5, 0.3, 5.2, 7.0,
	4.6, 2.6, 1.9, 1.1, 0.2, 1.3, 0.2, 2.2, 8.6,
}

// dice is a small generator for what follows from a number.
type dice uint64

func (d *dice) next() uint64 {
	*d = dice(mix(uint64(*d)))
	return uint64(*d)
}

func (d *dice) float() float64 { return float64(d.next()>>11) / (1 << 53) }

// profileOf derives visitor n.
func (g *Generator) profileOf(n uint64) profile {
	d := dice(mix(g.set.Seed) ^ n*0x9e3779b97f4a7c15)
	p := profile{visitor: d.next()}
	x := d.float()
	for _, s := range platformShares {
		p.platform = s.platform
		if x -= s.share; x < 0 {
			break
		}
	}
	x = d.float() * regionSum()
	for i, share := range regionShares {
		p.region = uint8(i + 1)
		if x -= share; x < 0 {
			break
		}
	}
	p.agent = uint8(d.next() % 4)
	p.account = d.float() < 0.55
	p.user = d.next()
	if d.float() < 0.01 {
		p.housemate = d.next()
	}
	p.eager = 0.4 + 1.2*d.float()
	app := p.platform == schemas.PlatformAppIOS || p.platform == schemas.PlatformAppAndroid
	p.sendsTimes = app
	if x := d.float(); app && x < g.set.Defects.SkewedApps {
		p.skew = int64(d.next()%7_200_000) - 3_600_000
	}
	return p
}

func regionSum() float64 {
	sum := 0.0
	for _, s := range regionShares {
		sum += s
	}
	return sum
}

var userAgents = [4]string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
	"Mozilla/5.0 (Linux; Android 15; V2408A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
}

const botAgent = "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)"

// agentText gives the browser's name; apps and mini programs send none.
func (p *profile) agentText() string {
	switch p.platform {
	case schemas.PlatformWebPC:
		return userAgents[p.agent%2]
	case schemas.PlatformH5:
		return userAgents[2+p.agent%2]
	}
	return ""
}

// source names the tracker of the platform.
func (p *profile) source() string {
	switch p.platform {
	case schemas.PlatformWebPC, schemas.PlatformH5:
		return "/tracker/web"
	case schemas.PlatformMiniProgram:
		return "/tracker/mini"
	case schemas.PlatformAppIOS, schemas.PlatformAppAndroid:
		return "/tracker/app"
	}
	return "/tracker/other"
}
