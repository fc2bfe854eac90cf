package schemas

import "bytes"

// Channel classification of one event (docs/events.md, Sessions): click id and scene before
// campaign parameters, those before the referrer. Without evidence, and for
// referrers that are the shop itself or a payment gateway, it is direct.

// clickIDChannels are the names that advertising systems give their click id;
// a click_id may be written name:value or name=value.
var clickIDChannels = map[string]Channel{
	"gclid": ChannelPaidSearch, "bd_vid": ChannelPaidSearch, "msclkid": ChannelPaidSearch, "ztc": ChannelPaidSearch, "qhclickid": ChannelPaidSearch,
	"dclid": ChannelDisplay, "gdt_vid": ChannelFeedAd, "qz_gdt": ChannelFeedAd, "clickid": ChannelFeedAd, "callback": ChannelFeedAd,
	"ttclid": ChannelFeedAd, "fbclid": ChannelSocial, "tbk": ChannelAffiliate, "pid": ChannelAffiliate, "cps": ChannelAffiliate,
}

// scenes are WeChat's scene values of mini programs that tell where the
// visitor came from; the others say nothing and fall through.
var scenes = map[string]Channel{
	"1005": ChannelOrganicSearch, "1006": ChannelOrganicSearch, "1027": ChannelOrganicSearch, "1042": ChannelOrganicSearch, "1053": ChannelOrganicSearch,
	"1007": ChannelMiniProgramShare, "1008": ChannelMiniProgramShare, "1036": ChannelMiniProgramShare, "1044": ChannelMiniProgramShare, "1096": ChannelMiniProgramShare,
	"1011": ChannelOfflineQR, "1012": ChannelOfflineQR, "1013": ChannelOfflineQR, "1025": ChannelOfflineQR, "1031": ChannelOfflineQR, "1032": ChannelOfflineQR,
	"1047": ChannelOfflineQR, "1048": ChannelOfflineQR, "1049": ChannelOfflineQR, "1124": ChannelOfflineQR, "1125": ChannelOfflineQR, "1126": ChannelOfflineQR,
	"1014": ChannelPush, "1107": ChannelPush,
	"1020": ChannelWechatOfficial, "1035": ChannelWechatOfficial, "1043": ChannelWechatOfficial, "1058": ChannelWechatOfficial, "1074": ChannelWechatOfficial,
	"1045": ChannelWechatMoments, "1046": ChannelWechatMoments, "1084": ChannelWechatMoments, "1154": ChannelWechatMoments, "1155": ChannelWechatMoments,
	"1067": ChannelFeedAd, "1068": ChannelDisplay, "1095": ChannelDisplay,
	"1119": ChannelPrivateDomain, "1120": ChannelPrivateDomain, "1121": ChannelPrivateDomain,
	"1175": ChannelShortVideo, "1184": ChannelShortVideo, "1176": ChannelLive, "1177": ChannelLive,
}

// mediums are the values of utm_medium beside the names of the channels themselves.
var mediums = map[string]Channel{
	"cpc": ChannelPaidSearch, "ppc": ChannelPaidSearch, "sem": ChannelPaidSearch, "paidsearch": ChannelPaidSearch, "ztc": ChannelPaidSearch,
	"banner": ChannelDisplay, "cpm": ChannelDisplay, "interstitial": ChannelDisplay,
	"feed": ChannelFeedAd, "infeed": ChannelFeedAd, "paid_social": ChannelFeedAd, "paidsocial": ChannelFeedAd, "paid-social": ChannelFeedAd,
	"affiliate": ChannelAffiliate, "cps": ChannelAffiliate, "taoke": ChannelAffiliate,
	"kol": ChannelKOLPaid, "influencer": ChannelKOLPaid, "livestream": ChannelLive, "video": ChannelShortVideo, "shortvideo": ChannelShortVideo,
	"seeding": ChannelContentSeeding, "note": ChannelContentSeeding, "social-media": ChannelSocial, "sm": ChannelSocial,
	"official_account": ChannelWechatOfficial, "mp": ChannelWechatOfficial, "moments": ChannelWechatMoments, "share": ChannelMiniProgramShare,
	"wecom": ChannelPrivateDomain, "community": ChannelPrivateDomain, "e-mail": ChannelEmail, "edm": ChannelEmail, "newsletter": ChannelEmail,
	"notification": ChannelPush, "organic": ChannelOrganicSearch, "qr": ChannelOfflineQR, "qrcode": ChannelOfflineQR, "offline": ChannelOfflineQR,
	"none": ChannelDirect, "(none)": ChannelDirect,
}

// sources are values of utm_source that say enough without a medium.
var sources = map[string]Channel{
	"baidu": ChannelOrganicSearch, "google": ChannelOrganicSearch, "bing": ChannelOrganicSearch, "sogou": ChannelOrganicSearch, "360": ChannelOrganicSearch,
	"douyin": ChannelShortVideo, "kuaishou": ChannelShortVideo, "bilibili": ChannelShortVideo, "tiktok": ChannelShortVideo, "youtube": ChannelShortVideo,
	"xiaohongshu": ChannelContentSeeding, "red": ChannelContentSeeding,
	"weibo": ChannelSocial, "zhihu": ChannelSocial, "qq": ChannelSocial, "facebook": ChannelSocial, "instagram": ChannelSocial, "twitter": ChannelSocial,
	"wechat": ChannelWechatOfficial, "weixin": ChannelWechatOfficial, "taobaoke": ChannelAffiliate, "wecom": ChannelPrivateDomain,
	"email": ChannelEmail, "edm": ChannelEmail, "newsletter": ChannelEmail, "sms": ChannelSMS, "push": ChannelPush, "(direct)": ChannelDirect, "direct": ChannelDirect,
}

// sites are the registered domains, or hosts, of referrers; the longest match counts.
// Payment gateways bring a shopper back and are no touch: direct.
var sites = map[string]Channel{
	"alipay.com": ChannelDirect, "tenpay.com": ChannelDirect, "pay.weixin.qq.com": ChannelDirect, "95516.com": ChannelDirect, "unionpay.com": ChannelDirect,
	"paypal.com": ChannelDirect, "stripe.com": ChannelDirect, "adyen.com": ChannelDirect, "jdpay.com": ChannelDirect, "99bill.com": ChannelDirect,
	"servicewechat.com": ChannelDirect,
	"baidu.com":         ChannelOrganicSearch, "bing.com": ChannelOrganicSearch, "sogou.com": ChannelOrganicSearch, "so.com": ChannelOrganicSearch,
	"sm.cn": ChannelOrganicSearch, "duckduckgo.com": ChannelOrganicSearch, "toutiao.com": ChannelOrganicSearch, "ecosia.org": ChannelOrganicSearch,
	"google": ChannelOrganicSearch, "yahoo": ChannelOrganicSearch, "yandex": ChannelOrganicSearch,
	"tieba.baidu.com": ChannelSocial, "weibo.com": ChannelSocial, "weibo.cn": ChannelSocial, "zhihu.com": ChannelSocial, "douban.com": ChannelSocial,
	"qzone.qq.com": ChannelSocial, "facebook.com": ChannelSocial, "instagram.com": ChannelSocial, "t.co": ChannelSocial, "twitter.com": ChannelSocial,
	"x.com": ChannelSocial, "linkedin.com": ChannelSocial, "reddit.com": ChannelSocial, "pinterest.com": ChannelSocial,
	"douyin.com": ChannelShortVideo, "iesdouyin.com": ChannelShortVideo, "kuaishou.com": ChannelShortVideo, "bilibili.com": ChannelShortVideo,
	"tiktok.com": ChannelShortVideo, "youtube.com": ChannelShortVideo, "xiaohongshu.com": ChannelContentSeeding, "xhslink.com": ChannelContentSeeding,
	"mp.weixin.qq.com": ChannelWechatOfficial, "work.weixin.qq.com": ChannelPrivateDomain,
	"mail.qq.com": ChannelEmail, "mail.163.com": ChannelEmail, "mail.google.com": ChannelEmail, "outlook.live.com": ChannelEmail, "mail.126.com": ChannelEmail,
}

// classifier finds the channel of an event; it holds tables and scratch only.
type classifier struct {
	clickIDs, scenes, mediums, sources, sites lookup
	scratch                                   []byte
}

// lookup is a closed list of words, each with its channel.
type lookup struct {
	words    *names
	channels []Channel
}

func newLookup(m map[string]Channel) lookup {
	words := make([]string, 0, len(m))
	channels := make([]Channel, 0, len(m))
	for w, c := range m {
		words, channels = append(words, w), append(channels, c)
	}
	return lookup{newNames(words), channels}
}

func (l lookup) find(word []byte) Channel {
	if i := l.words.find(word); i >= 0 {
		return l.channels[i]
	}
	return ChannelUnknown
}

func newClassifier() classifier {
	all := map[string]Channel{}
	for c := ChannelDirect; c < NumChannels; c++ {
		all[ChannelNames[c]] = c
	}
	for m, c := range mediums {
		all[m] = c
	}
	return classifier{
		clickIDs: newLookup(clickIDChannels), scenes: newLookup(scenes), mediums: newLookup(all),
		sources: newLookup(sources), sites: newLookup(sites),
	}
}

// touch is the evidence an event carries about where the visitor came from.
type touch struct {
	clickID, scene, source, medium, campaign, referrer []byte
}

func (c *classifier) channel(t *touch, domains []string) Channel {
	if len(t.clickID) > 0 {
		return c.byClickID(t)
	}
	if len(t.scene) > 0 {
		if ch := c.byScene(t.scene); ch != ChannelUnknown {
			return ch
		}
	}
	if len(t.medium) > 0 || len(t.source) > 0 || len(t.campaign) > 0 {
		return c.byCampaign(t)
	}
	return c.byReferrer(t.referrer, domains)
}

// byClickID: the name of the click id decides, else the campaign if it names a
// paid channel, else it is a paid search click.
func (c *classifier) byClickID(t *touch) Channel {
	if i := bytes.IndexAny(t.clickID, ":="); i > 0 {
		c.scratch = lower(c.scratch[:0], t.clickID[:i])
		if ch := c.clickIDs.find(c.scratch); ch != ChannelUnknown {
			return ch
		}
	}
	switch ch := c.byCampaign(t); ch {
	case ChannelDisplay, ChannelFeedAd, ChannelAffiliate, ChannelKOLPaid, ChannelLive, ChannelShortVideo, ChannelSocial, ChannelWechatMoments:
		return ch
	}
	return ChannelPaidSearch
}

// byScene: a four-digit number is WeChat's; anything else is the text that a
// shop put into its own code, on paper or on a screen.
func (c *classifier) byScene(scene []byte) Channel {
	if digits(scene, 0) == len(scene) && len(scene) == 4 {
		return c.scenes.find(scene)
	}
	return ChannelOfflineQR
}

func (c *classifier) byCampaign(t *touch) Channel {
	c.scratch = lower(c.scratch[:0], t.medium)
	if ch := c.mediums.find(c.scratch); ch != ChannelUnknown {
		return ch
	}
	c.scratch = lower(c.scratch[:0], t.source)
	if ch := c.sources.find(c.scratch); ch != ChannelUnknown {
		return ch
	}
	return ChannelOther
}

func (c *classifier) byReferrer(referrer []byte, domains []string) Channel {
	host := hostOf(referrer)
	if len(host) == 0 {
		return ChannelDirect // none, or a path of the shop
	}
	c.scratch = lower(c.scratch[:0], host)
	host = c.scratch
	for _, d := range domains {
		if under(host, d) {
			return ChannelDirect
		}
	}
	for rest := host; ; {
		if ch := c.sites.find(rest); ch != ChannelUnknown {
			return ch
		}
		dot := bytes.IndexByte(rest, '.')
		if dot < 0 {
			return ChannelReferral
		}
		// Search engines with a domain per country: www.google.com.hk.
		if ch := c.sites.find(rest[:dot]); ch != ChannelUnknown {
			return ch
		}
		rest = rest[dot+1:]
	}
}

// under says whether host is the domain or lies below it. Both are lower case,
// the domain by the configuration's word.
func under(host []byte, domain string) bool {
	n := len(host) - len(domain)
	return n >= 0 && domain != "" && string(host[n:]) == domain && (n == 0 || host[n-1] == '.')
}

// hostOf gives the host of an absolute address, nothing for a relative one.
func hostOf(url []byte) []byte {
	i := bytes.Index(url, []byte("//"))
	if i < 0 || (i > 0 && url[i-1] != ':') {
		return nil
	}
	host := url[i+2:]
	for j, c := range host {
		if c == '/' || c == '?' || c == '#' {
			host = host[:j]
			break
		}
	}
	if j := bytes.LastIndexByte(host, '@'); j >= 0 {
		host = host[j+1:]
	}
	if j := bytes.LastIndexByte(host, ':'); j >= 0 && host[len(host)-1] != ']' {
		host = host[:j]
	}
	return host
}
