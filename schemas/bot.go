package schemas

import (
	"bytes"

	"github.com/zeebo/xxh3"
)

// botMarks are parts of user agents that no shopper's browser has. "bot" alone
// is not among them: there are phones named Cubot.
var botMarks = [][]byte{
	[]byte("bot/"), []byte("bot;"), []byte("bot-"), []byte("-bot"), []byte("spider"), []byte("crawl"), []byte("slurp"),
	[]byte("headless"), []byte("phantomjs"), []byte("selenium"), []byte("puppeteer"), []byte("playwright"), []byte("lighthouse"),
	[]byte("curl/"), []byte("wget/"), []byte("python-"), []byte("aiohttp"), []byte("scrapy"), []byte("go-http-client"),
	[]byte("libwww"), []byte("facebookexternalhit"), []byte("mediapartners"), []byte("pingdom"), []byte("monitoring"),
}

// botCache remembers verdicts, because few user agents make most of the
// traffic. It is direct-mapped, so that odd user agents cannot grow it.
type botCache struct {
	seen    [512]uint64 // hash of the user agent with the verdict in the lowest bit, 0 = empty
	scratch []byte
}

func (c *botCache) isBot(userAgent []byte) uint8 {
	if len(userAgent) == 0 {
		return 0
	}
	h := xxh3.Hash(userAgent) | 2 // never 0
	slot := &c.seen[h>>8%uint64(len(c.seen))]
	if *slot&^1 == h&^1 {
		return uint8(*slot & 1)
	}
	c.scratch = lower(c.scratch[:0], userAgent)
	verdict := uint8(0)
	for _, m := range botMarks {
		if bytes.Contains(c.scratch, m) {
			verdict = 1
			break
		}
	}
	*slot = h&^1 | uint64(verdict)
	return verdict
}

func lower(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
