package schemas

// field numbers the top-level fields we know: first those that the clickstream
// may have, then those of the orders topic alone, so that decoding a
// clickstream event clears and visits only its own. An amount is followed by
// its _minor form.
type field uint8

const (
	fID field = iota
	fSource
	fSpecVersion
	fType
	fTime
	fSentTime
	fReceivedTime
	fTenantID
	fSequence
	fContentType
	fPartitionKey
	fAnonymousID
	fUserID
	fPlatform
	fCurrency
	fItems
	fOrderID
	fIsTest
	fIsInternal
	fUserAgent
	fIP
	fClientSession // from here on: clickstream alone
	fPageType
	fPageURL
	fReferrer
	fUTMSource
	fUTMMedium
	fUTMCampaign
	fClickID
	fSceneID
	fRegion
	fConsent
	fValue
	fValueMinor
	fQuery
	fResultCount
	fOrderVersion // from here on: orders alone
	fOrderType
	fFulfillment
	fShipRegion
	fGoods
	fGoodsMinor
	fDiscount
	fDiscountMinor
	fFreight
	fFreightMinor
	fTax
	fTaxMinor
	fPayable
	fPayableMinor
	fPaid
	fPaidMinor
	fAmount
	fAmountMinor
	fPaymentMethod
	fAttemptID
	fErrorType
	fErrorCode
	fCancelReason
	fWasPaid
	fRefundID
	fRefundType
	fReason
	fCreatedAt
	fPaidAt
	numFields
)

// spec says what a field must look like. A field of another topic is an
// unknown field.
type spec struct {
	name   string
	shapes uint8  // set of shapes; null always means absent
	max    uint16 // characters of a string
	id     bool   // an identity: no control characters, because hashes separate names with 0
	keep   bool   // has no column of its own: goes to extra as well
	topics uint8
}

const (
	shapeText   = 1 << isString
	shapeNumber = 1 << isNumber
	shapeMoney  = 1<<isString | 1<<isNumber
	shapeBool   = 1<<isTrue | 1<<isFalse
	shapeArray  = 1 << isArray

	onClicks = 1 << Clickstream
	onOrders = 1 << OrdersTopic
	onBoth   = onClicks | onOrders
)

// Lengths of strings, in characters.
const (
	maxID     = 128
	maxSource = 256
	maxName   = 512 // campaign names, item names
	maxQuery  = 1024
	maxURL    = 2048
)

var fieldSpecs = [numFields]spec{
	fID:            {"id", shapeText, maxID, true, false, onBoth},
	fSource:        {"source", shapeText, maxSource, true, false, onBoth},
	fSpecVersion:   {"specversion", shapeText, maxID, false, false, onBoth},
	fType:          {"type", shapeText, maxID, false, false, onBoth},
	fTime:          {"time", shapeText, maxID, false, false, onBoth},
	fSentTime:      {"senttime", shapeText, maxID, false, false, onBoth},
	fReceivedTime:  {"receivedtime", shapeText, maxID, false, false, onBoth},
	fTenantID:      {"tenantid", shapeText, 64, false, false, onBoth},
	fSequence:      {"sequence", shapeNumber, 0, false, false, onBoth},
	fContentType:   {"datacontenttype", shapeText, maxID, false, false, onBoth},
	fPartitionKey:  {"partitionkey", shapeText, maxSource, false, false, onBoth},
	fAnonymousID:   {"anonymous_id", shapeText, maxID, true, false, onBoth},
	fUserID:        {"user_id", shapeText, maxID, true, false, onBoth},
	fPlatform:      {"platform", shapeText, maxID, false, false, onBoth},
	fCurrency:      {"currency", shapeText, maxID, false, false, onBoth},
	fItems:         {"items", shapeArray, 0, false, false, onBoth},
	fOrderID:       {"order_id", shapeText, maxID, true, false, onBoth},
	fIsTest:        {"is_test", shapeBool, 0, false, false, onBoth},
	fIsInternal:    {"is_internal", shapeBool, 0, false, false, onBoth},
	fUserAgent:     {"user_agent", shapeText, maxURL, false, false, onBoth},
	fIP:            {"ip", shapeText, maxID, false, false, onBoth},
	fClientSession: {"client_session_id", shapeText, maxID, false, false, onClicks},
	fPageType:      {"page_type", shapeText, maxID, false, false, onClicks},
	fPageURL:       {"page_url", shapeText, maxURL, false, false, onClicks},
	fReferrer:      {"referrer", shapeText, maxURL, false, false, onClicks},
	fUTMSource:     {"utm_source", shapeText, maxName, false, false, onClicks},
	fUTMMedium:     {"utm_medium", shapeText, maxName, false, false, onClicks},
	fUTMCampaign:   {"utm_campaign", shapeText, maxName, false, false, onClicks},
	fClickID:       {"click_id", shapeText, maxName, false, true, onClicks},
	fSceneID:       {"scene_id", shapeText | shapeNumber, maxName, false, true, onClicks},
	fRegion:        {"region", shapeText, maxID, false, false, onClicks},
	fConsent:       {"consent", shapeText, maxID, false, false, onClicks},
	fValue:         {"value", shapeMoney, maxID, false, false, onClicks},
	fValueMinor:    {"value_minor", shapeNumber, 0, false, false, onClicks},
	fQuery:         {"query", shapeText, maxQuery, false, false, onClicks},
	fResultCount:   {"result_count", shapeNumber, 0, false, false, onClicks},
	fOrderVersion:  {"order_version", shapeNumber, 0, false, false, onOrders},
	fOrderType:     {"order_type", shapeText, maxID, false, false, onOrders},
	fFulfillment:   {"fulfillment_type", shapeText, maxID, false, false, onOrders},
	fShipRegion:    {"ship_region", shapeText, maxID, false, false, onOrders},
	fGoods:         {"goods_amount", shapeMoney, maxID, false, false, onOrders},
	fGoodsMinor:    {"goods_amount_minor", shapeNumber, 0, false, false, onOrders},
	fDiscount:      {"discount_total", shapeMoney, maxID, false, false, onOrders},
	fDiscountMinor: {"discount_total_minor", shapeNumber, 0, false, false, onOrders},
	fFreight:       {"freight_amount", shapeMoney, maxID, false, false, onOrders},
	fFreightMinor:  {"freight_amount_minor", shapeNumber, 0, false, false, onOrders},
	fTax:           {"tax_amount", shapeMoney, maxID, false, false, onOrders},
	fTaxMinor:      {"tax_amount_minor", shapeNumber, 0, false, false, onOrders},
	fPayable:       {"payable_amount", shapeMoney, maxID, false, false, onOrders},
	fPayableMinor:  {"payable_amount_minor", shapeNumber, 0, false, false, onOrders},
	fPaid:          {"paid_amount", shapeMoney, maxID, false, false, onOrders},
	fPaidMinor:     {"paid_amount_minor", shapeNumber, 0, false, false, onOrders},
	fAmount:        {"amount", shapeMoney, maxID, false, false, onOrders},
	fAmountMinor:   {"amount_minor", shapeNumber, 0, false, false, onOrders},
	fPaymentMethod: {"payment_method", shapeText, maxID, false, false, onOrders},
	fAttemptID:     {"attempt_id", shapeText, maxID, false, false, onOrders},
	fErrorType:     {"error_type", shapeText, maxID, false, false, onOrders},
	fErrorCode:     {"error_code", shapeText, maxID, false, false, onOrders},
	fCancelReason:  {"cancel_reason", shapeText, maxID, false, false, onOrders},
	fWasPaid:       {"paid", shapeBool, 0, false, false, onOrders},
	fRefundID:      {"refund_id", shapeText, maxID, false, false, onOrders},
	fRefundType:    {"refund_type", shapeText, maxID, false, false, onOrders},
	fReason:        {"reason", shapeText, maxID, false, false, onOrders},
	fCreatedAt:     {"created_at", shapeText, maxID, false, false, onOrders},
	fPaidAt:        {"paid_at", shapeText, maxID, false, false, onOrders},
}

// itemField numbers the fields of an item that have a column or a check; the
// others of a clickstream item stay in the items column.
type itemField uint8

const (
	iID itemField = iota
	iSPU
	iName
	iBrand
	iCategory1
	iCategory2
	iCategory3
	iPrice
	iPriceMinor
	iList
	iListMinor
	iDiscount
	iDiscountMinor
	iQuantity
	iGift
	numItemFields
)

var itemSpecs = [numItemFields]spec{
	iID:            {"item_id", shapeText, maxID, false, false, onBoth},
	iSPU:           {"spu_id", shapeText, maxID, false, false, onBoth},
	iName:          {"item_name", shapeText, maxName, false, false, onBoth},
	iBrand:         {"item_brand", shapeText, maxName, false, false, onBoth},
	iCategory1:     {"item_category", shapeText, maxName, false, false, onBoth},
	iCategory2:     {"item_category2", shapeText, maxName, false, false, onBoth},
	iCategory3:     {"item_category3", shapeText, maxName, false, false, onBoth},
	iPrice:         {"price", shapeMoney, maxID, false, false, onBoth},
	iPriceMinor:    {"price_minor", shapeNumber, 0, false, false, onBoth},
	iList:          {"list_price", shapeMoney, maxID, false, false, onBoth},
	iListMinor:     {"list_price_minor", shapeNumber, 0, false, false, onBoth},
	iDiscount:      {"discount", shapeMoney, maxID, false, false, onBoth},
	iDiscountMinor: {"discount_minor", shapeNumber, 0, false, false, onBoth},
	iQuantity:      {"quantity", shapeNumber, 0, false, false, onBoth},
	iGift:          {"is_gift", shapeBool, 0, false, false, onBoth},
}

// required lists, by kind, the fields beyond those of every event of the
// topic. An amount may stand as its _minor form.
var required = [NumKinds][]field{
	KindPageView:         {fPageType},
	KindViewItem:         {fItems},
	KindAddToCart:        {fItems, fCurrency},
	KindRemoveFromCart:   {fItems},
	KindBeginCheckout:    {fItems, fCurrency},
	KindOrderSubmit:      {fOrderID},
	KindPurchase:         {fOrderID, fValue, fCurrency},
	KindSearch:           {fQuery, fResultCount},
	KindLogin:            {fUserID},
	KindOrderCreated:     {fPayable, fCurrency, fItems, fCreatedAt},
	KindOrderPaid:        {fPaid, fPaymentMethod, fPaidAt},
	KindOrderCancelled:   {fCancelReason, fWasPaid},
	KindPaymentAttempted: {fAttemptID, fPaymentMethod},
	KindPaymentFailed:    {fAttemptID, fPaymentMethod, fErrorType, fErrorCode},
	KindRefundRequested:  {fRefundID, fReason, fRefundType, fAmount},
	KindRefundSucceeded:  {fRefundID, fAmount, fCurrency, fReason},
}
