package schemas

// Closed lists. Index 0 is always the unknown value, so that a zero column
// value is honest. The order is part of snapshots: append only.

// Kind says what an event means to the engine. Types that are only configured
// (events.extra_types) share KindOther: activity without a stage.
type Kind uint8

const (
	KindUnknown Kind = iota
	KindOther
	KindPageView
	KindViewItem
	KindAddToCart
	KindRemoveFromCart
	KindViewCart
	KindBeginCheckout
	KindOrderSubmit
	KindPurchase
	KindSearch
	KindLogin
	KindOrderCreated
	KindOrderUpdated
	KindOrderPaid
	KindOrderCancelled
	KindPaymentAttempted
	KindPaymentFailed
	KindRefundRequested
	KindRefundSucceeded
	NumKinds
)

// KindNames are the canonical short names; a plain event may use them as type.
var KindNames = [NumKinds]string{
	"unknown", "other", "page_view", "view_item", "add_to_cart", "remove_from_cart", "view_cart",
	"begin_checkout", "order_submit", "purchase", "search", "login",
	"order.created", "order.updated", "order.paid", "order.cancelled",
	"payment.attempted", "payment.failed", "refund.requested", "refund.succeeded",
}

// Topic says on which topic events of the kind travel.
func (k Kind) Topic() Topic {
	if k >= KindOrderCreated {
		return OrdersTopic
	}
	return Clickstream
}

func (k Kind) String() string { return KindNames[k] }

// Stage is a funnel stage; StageNone is before the first.
type Stage uint8

const (
	StageNone Stage = iota
	StageVisit
	StageProductView
	StageAddToCart
	StageCheckoutStart
	StageOrderSubmit
	StagePay
	NumStages
)

// StageNames are the label values of stage, StageNone excluded by its users.
var StageNames = [NumStages]string{"none", "visit", "product_view", "add_to_cart", "checkout_start", "order_submit", "pay"}

// Platform of the client.
type Platform uint8

const (
	PlatformUnknown Platform = iota
	PlatformWebPC
	PlatformH5
	PlatformAppIOS
	PlatformAppAndroid
	PlatformMiniProgram
	PlatformOther
	NumPlatforms
)

var PlatformNames = []string{"unknown", "web_pc", "h5", "app_ios", "app_android", "mini_program", "other"}

// DeviceClass follows from the platform.
type DeviceClass uint8

const (
	DeviceUnknown DeviceClass = iota
	DeviceMobile
	DevicePC
	DeviceOther
)

var DeviceClassNames = []string{"unknown", "mobile", "pc", "other"}

// Device gives the device class of the platform (SAL-04).
func (p Platform) Device() DeviceClass {
	switch p {
	case PlatformWebPC:
		return DevicePC
	case PlatformH5, PlatformAppIOS, PlatformAppAndroid, PlatformMiniProgram:
		return DeviceMobile
	case PlatformOther:
		return DeviceOther
	}
	return DeviceUnknown
}

// PageType of a page view.
type PageType uint8

const NumPageTypes = 15

var PageTypeNames = []string{
	"unknown", "home", "category", "search", "product_detail", "cart", "checkout", "payment",
	"pay_result", "order_list", "account", "live", "content", "promotion", "other",
}

// Channel of a touch or a session.
type Channel uint8

const (
	ChannelUnknown Channel = iota
	ChannelDirect
	ChannelPaidSearch
	ChannelDisplay
	ChannelFeedAd
	ChannelAffiliate
	ChannelKOLPaid
	ChannelLive
	ChannelShortVideo
	ChannelContentSeeding
	ChannelSocial
	ChannelWechatOfficial
	ChannelWechatMoments
	ChannelMiniProgramShare
	ChannelPrivateDomain
	ChannelEmail
	ChannelSMS
	ChannelPush
	ChannelOrganicSearch
	ChannelReferral
	ChannelOfflineQR
	ChannelOther
	NumChannels
)

var ChannelNames = []string{
	"unknown", "direct", "paid_search", "display", "feed_ad", "affiliate_cps", "kol_paid", "live", "short_video",
	"content_seeding", "social", "wechat_official", "wechat_moments", "mini_program_share", "private_domain",
	"email", "sms", "push", "organic_search", "referral", "offline_qr", "other",
}

// RegionNames are the provinces of ISO 3166-2:CN; anything else non-empty is other.
var RegionNames = []string{
	"unknown", "CN-AH", "CN-BJ", "CN-CQ", "CN-FJ", "CN-GD", "CN-GS", "CN-GX", "CN-GZ", "CN-HA", "CN-HB", "CN-HE", "CN-HI",
	"CN-HK", "CN-HL", "CN-HN", "CN-JL", "CN-JS", "CN-JX", "CN-LN", "CN-MO", "CN-NM", "CN-NX", "CN-QH", "CN-SC", "CN-SD",
	"CN-SH", "CN-SN", "CN-SX", "CN-TJ", "CN-TW", "CN-XJ", "CN-XZ", "CN-YN", "CN-ZJ", "other",
}

// RegionOther is the index of "other".
const RegionOther = 35

var (
	ConsentNames       = []string{"unknown", "granted", "denied"}
	PaymentMethodNames = []string{"unknown", "alipay", "wechat_pay", "unionpay", "card", "apple_pay", "credit", "cod", "balance", "other"}
	PaymentErrorNames  = []string{"unknown", "hard", "soft", "user_cancel", "risk_block", "timeout"}
	CancelReasonNames  = []string{"unknown", "buyer", "timeout_unpaid", "out_of_stock", "seller", "risk", "other"}
	RefundTypeNames    = []string{"unknown", "refund_only", "return_and_refund", "pre_ship"}
	RefundReasonNames  = []string{"unknown", "size", "quality", "damaged", "not_as_described", "late", "wrong_item", "no_reason", "price", "chargeback", "other"}
	OrderTypeNames     = []string{"unknown", "normal", "presale", "subscription", "group_buy", "exchange", "gift", "imported"}
	FulfillmentNames   = []string{"unknown", "warehouse", "dropship", "pickup"}
	LateClassNames     = []string{"none", "late", "too_late"}
	BotRuleNames       = []string{"none", "user_agent", "event_count"}
)

// Lateness classes of an event, an index into LateClassNames.
const (
	LateNone   uint8 = iota
	LateOld          // outside the merge horizon and not touching a session in state
	LateTooOld       // older than 72 h
)

// TopicNames are the label values of topic.
var TopicNames = []string{"clickstream", "orders"}

// StatusRank orders the states of an order (docs/events.md, Order events:
// refunds do not move the order's state). Zero means: no state change.
func (k Kind) StatusRank() uint16 {
	switch k {
	case KindOrderCreated:
		return 10
	case KindOrderPaid:
		return 20
	case KindOrderCancelled:
		return 90
	}
	return 0
}
