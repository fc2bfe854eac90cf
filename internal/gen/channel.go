package gen

import "github.com/storepulse/storepulse/schemas"

// touch is how visits of a channel arrive: the fields of the landing event.
type touch struct {
	channel  schemas.Channel
	share    float64
	web, app bool // platforms on which it occurs: browser, or app and mini program
	landing  string
	fields   string // JSON fields, each with a leading comma
}

// touches follow docs/events.md, Channel. Shares are relative.
var touches = []touch{
	{schemas.ChannelDirect, 30, true, true, "home", ``},
	{schemas.ChannelPaidSearch, 9, true, false, "product_detail", `,"utm_source":"baidu","utm_medium":"cpc","utm_campaign":"brand_terms","utm_term":"coat","click_id":"bd_vid.8f31c2"`},
	{schemas.ChannelOrganicSearch, 9, true, false, "category", `,"referrer":"https://www.baidu.com/s?wd=coat"`},
	{schemas.ChannelDisplay, 4, true, true, "promotion", `,"utm_source":"tanx","utm_medium":"display","utm_campaign":"autumn_banner"`},
	{schemas.ChannelFeedAd, 7, true, true, "product_detail", `,"utm_source":"oceanengine","utm_medium":"feed","utm_campaign":"feed_q4"`},
	{schemas.ChannelAffiliate, 4, true, true, "product_detail", `,"utm_source":"alimama","utm_medium":"affiliate","utm_campaign":"cps_10"`},
	{schemas.ChannelKOLPaid, 2, true, true, "product_detail", `,"utm_source":"weibo","utm_medium":"kol","utm_campaign":"kol_may"`},
	{schemas.ChannelLive, 5, false, true, "live", `,"utm_source":"douyin","utm_medium":"live","utm_campaign":"evening_show"`},
	{schemas.ChannelShortVideo, 5, true, true, "product_detail", `,"utm_source":"douyin","utm_medium":"short_video","utm_campaign":"clips"`},
	{schemas.ChannelContentSeeding, 3, true, true, "content", `,"utm_source":"xiaohongshu","utm_medium":"seeding","utm_campaign":"notes"`},
	{schemas.ChannelSocial, 3, true, false, "product_detail", `,"referrer":"https://weibo.com/u/5501"`},
	{schemas.ChannelWechatOfficial, 3, true, true, "content", `,"utm_source":"wechat","utm_medium":"official_account","utm_campaign":"weekly"`},
	{schemas.ChannelWechatMoments, 2, true, true, "promotion", `,"utm_source":"wechat","utm_medium":"moments","utm_campaign":"moments_ads"`},
	{schemas.ChannelMiniProgramShare, 3, false, true, "product_detail", `,"scene_id":"1007"`},
	{schemas.ChannelPrivateDomain, 3, true, true, "promotion", `,"utm_source":"wecom","utm_medium":"private_domain","utm_campaign":"group_12"`},
	{schemas.ChannelEmail, 1, true, false, "promotion", `,"utm_source":"newsletter","utm_medium":"email","utm_campaign":"w47"`},
	{schemas.ChannelSMS, 2, true, true, "promotion", `,"utm_source":"sms","utm_medium":"sms","utm_campaign":"recall_30d"`},
	{schemas.ChannelPush, 3, false, true, "promotion", `,"utm_source":"app","utm_medium":"push","utm_campaign":"price_drop"`},
	{schemas.ChannelReferral, 2, true, false, "product_detail", `,"referrer":"https://coats-reviewed.example/best-of"`},
	{schemas.ChannelOfflineQR, 1, false, true, "home", `,"scene_id":"1011"`},
}

// pickTouch draws a channel that exists on the platform.
func (g *Generator) pickTouch(p schemas.Platform) *touch {
	web := p == schemas.PlatformWebPC || p == schemas.PlatformH5 || p == schemas.PlatformOther
	sum := 0.0
	for i := range touches {
		if t := &touches[i]; web && t.web || !web && t.app {
			sum += t.share
		}
	}
	x := g.rng.Float64() * sum
	last := &touches[0]
	for i := range touches {
		t := &touches[i]
		if web && t.web || !web && t.app {
			last = t
			if x -= t.share; x < 0 {
				break
			}
		}
	}
	return last
}
