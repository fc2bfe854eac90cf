package schemas

import "testing"

func TestChannel(t *testing.T) {
	c := newClassifier()
	domains := []string{"shop.example", "m.shop.example"}
	touched := func(want Channel, e touch) {
		t.Helper()
		if got := c.channel(&e, domains); got != want {
			t.Errorf("%+q: got %s, want %s", e, ChannelNames[got], ChannelNames[want])
		}
	}
	b := func(s string) []byte { return []byte(s) }

	touched(ChannelDirect, touch{})
	// A click id before everything else.
	touched(ChannelPaidSearch, touch{clickID: b("gclid:Cj0KCQ"), medium: b("email")})
	touched(ChannelFeedAd, touch{clickID: b("gdt_vid=wx0abc"), referrer: b("https://www.baidu.com/")})
	touched(ChannelAffiliate, touch{clickID: b("PID:mm_1_2_3")})
	touched(ChannelPaidSearch, touch{clickID: b("Cj0KCQ")})
	touched(ChannelDisplay, touch{clickID: b("Cj0KCQ"), medium: b("banner")})
	// A scene before the campaign.
	touched(ChannelOfflineQR, touch{scene: b("1011"), medium: b("email")})
	touched(ChannelMiniProgramShare, touch{scene: b("1007")})
	touched(ChannelWechatMoments, touch{scene: b("1154")})
	touched(ChannelOfflineQR, touch{scene: b("store-17-poster")})
	touched(ChannelDirect, touch{scene: b("1001")})
	touched(ChannelEmail, touch{scene: b("1001"), medium: b("email")})
	// The campaign before the referrer, the medium before the source.
	touched(ChannelPaidSearch, touch{medium: b("CPC"), source: b("baidu"), referrer: b("https://weibo.com/")})
	touched(ChannelKOLPaid, touch{medium: b("kol_paid")})
	touched(ChannelSMS, touch{source: b("sms")})
	touched(ChannelOther, touch{campaign: b("618")})
	touched(ChannelOther, touch{medium: b("carrier pigeon")})
	// Referrers.
	touched(ChannelOrganicSearch, touch{referrer: b("https://www.baidu.com/s?wd=tea")})
	touched(ChannelOrganicSearch, touch{referrer: b("https://www.google.com.hk/")})
	touched(ChannelSocial, touch{referrer: b("https://tieba.baidu.com/p/1")})
	touched(ChannelWechatOfficial, touch{referrer: b("https://mp.weixin.qq.com/s/x")})
	touched(ChannelContentSeeding, touch{referrer: b("https://www.xiaohongshu.com/explore/1")})
	touched(ChannelShortVideo, touch{referrer: b("https://v.douyin.com/x")})
	touched(ChannelReferral, touch{referrer: b("http://blog.example.org:8080/post?x=//shop.example/")})
	touched(ChannelReferral, touch{referrer: b("https://notshop.example/")})
	touched(ChannelReferral, touch{referrer: b("https://shop.example@phish.example.net/")})
	// The shop itself and payment gateways are no touch.
	touched(ChannelDirect, touch{referrer: b("https://shop.example/cart")})
	touched(ChannelDirect, touch{referrer: b("https://WWW.Shop.Example/cart")})
	touched(ChannelDirect, touch{referrer: b("https://mclient.alipay.com/cashier")})
	touched(ChannelDirect, touch{referrer: b("https://wx.tenpay.com/")})
	touched(ChannelDirect, touch{referrer: b("/item/1")})
}

func TestBot(t *testing.T) {
	var c botCache
	for range 2 { // the second time from the cache
		for agent, want := range map[string]uint8{
			"": 0,
			"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15": 0,
			"Mozilla/5.0 (Linux; Android 12; CUBOT X30) AppleWebKit/537.36":               0,
			"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":    1,
			"Mozilla/5.0 (compatible; Baiduspider/2.0)":                                   1,
			"Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0":                        1,
			"curl/8.5.0":             1,
			"python-requests/2.31.0": 1,
		} {
			if got := c.isBot([]byte(agent)); got != want {
				t.Errorf("%q: got %d, want %d", agent, got, want)
			}
		}
	}
}
