package schemas

// Sessions holds session rows (fact_sessions), one per version of a session.
type Sessions struct {
	Topic   Dict
	Offset  Fixed[int64] // clickstream offset that caused the row; the epoch's last one if the watermark did
	Tenant  Dict
	Session Fixed[ID] // UUIDv5 of visitor and the first event's key
	Visitor Fixed[ID]
	User    Fixed[uint64]
	Day     Fixed[uint16] // local date of the start
	Start   Fixed[int64]
	End     Fixed[int64]

	Events, PageViews                   Fixed[uint32]
	Landing, Exit                       Dict // page types
	Channel, Platform, Device, Region   Dict
	MaxStage                            Dict          // reach: the highest stage
	StagesRaw                           Fixed[uint8]  // bit k: the event of stage k itself happened
	FirstView, FirstCart, FirstCheckout NullTimes     // first time of the stage
	FirstSubmit, FirstPay               NullTimes     // of the linked orders
	Orders, OrdersPaid                  Fixed[uint16] // linked orders, and those paid within the pay window
	Placed, Paid                        Fixed[int64]  // minor units of Currency, linked orders in Currency only
	Currency                            Dict          // of the first linked order
	OrderHashes                         Lists
	IsBounce, IsEngaged, CartSkipped    Fixed[uint8]
	IsBot, IsTest, IsInternal           Fixed[uint8]
	Approximate                         Fixed[uint8] // over 5,000 events: counts only
	Closed                              Fixed[uint8] // the watermark has passed end + gap
	MergedInto                          Fixed[ID]    // of a tombstone: the session that holds its first event now, else zero
	Version                             Fixed[uint64]
	IsDeleted                           Fixed[uint8]
}

// SessionsTable describes fact_sessions.
var SessionsTable = &Table{Name: "fact_sessions", Columns: []ColumnDef{
	{"kafka_topic", "LowCardinality(String)", "Kafka topic of the causing record"},
	{"kafka_offset", "Int64", "Kafka offset of the causing record"},
	{"tenant", "LowCardinality(String)", "shop"},
	{"session_id", "UUID", "UUIDv5 of the visitor and its first event"},
	{"visitor_id", "UUID", "hash of tenant and anonymous_id"},
	{"user_hash", "UInt64", "last known user, 0 = none"},
	{"business_date", "Date", "local date of start_time in the shop's time zone"},
	{"start_time", "DateTime64(3)", "first activity, UTC"},
	{"end_time", "DateTime64(3)", "last activity, UTC"},
	{"events", "UInt32", "activity events"},
	{"page_views", "UInt32", "page views"},
	{"landing_page_type", "LowCardinality(String)", "page type of the first page view"},
	{"exit_page_type", "LowCardinality(String)", "page type of the last page view"},
	{"channel", "LowCardinality(String)", "first touch that is not direct, else direct"},
	{"platform", "LowCardinality(String)", "of the first event"},
	{"device_class", "LowCardinality(String)", "follows from platform"},
	{"region", "LowCardinality(String)", "first known region"},
	{"max_stage", "LowCardinality(String)", "funnel reach: the highest stage"},
	{"stages_raw", "UInt8", "bit k set: the event of stage k itself happened (1 visit … 6 pay)"},
	{"first_product_view", "Nullable(DateTime64(3))", "first view_item, UTC"},
	{"first_add_to_cart", "Nullable(DateTime64(3))", "first add_to_cart, UTC"},
	{"first_checkout_start", "Nullable(DateTime64(3))", "first begin_checkout, UTC"},
	{"first_order_submit", "Nullable(DateTime64(3))", "first linked order created, UTC"},
	{"first_pay", "Nullable(DateTime64(3))", "first linked order paid, UTC"},
	{"orders", "UInt16", "linked orders"},
	{"orders_paid", "UInt16", "linked orders paid within the pay window"},
	{"placed_minor", "Int64", "payable of the linked orders in currency, minor units"},
	{"paid_minor", "Int64", "paid of the linked orders in currency, minor units"},
	{"currency", "LowCardinality(String)", "of the first linked order, empty if none"},
	{"order_hashes", "Array(UInt64)", "linked orders, order_hash of fact_order_events"},
	{"is_bounce", "Bool", "exactly one page view and no conversion action"},
	{"is_engaged", "Bool", "over 10 s, or a conversion action, or two page views"},
	{"cart_skipped", "Bool", "reached checkout without add_to_cart"},
	{"is_bot", "Bool", "an event was recognised as a bot's, or over 5,000 events"},
	{"is_test", "Bool", "test traffic"},
	{"is_internal", "Bool", "the shop's own traffic"},
	{"is_approximate", "Bool", "over 5,000 events: counts only"},
	{"is_closed", "Bool", "the watermark has passed end_time + 30 min"},
	{"merged_into", "UUID", "of a tombstone: the session that holds its first event now, else zero"},
	{"version", "UInt64", "epoch * 2^20 + ordinal"},
	{"is_deleted", "UInt8", "1 = tombstone"},
}}

// NewSessions gives empty columns over the vocabulary's lists.
func NewSessions(v *Vocabulary) *Sessions {
	return &Sessions{
		Topic: Dict{Names: v.Topics[:]}, Tenant: Dict{Names: v.TenantNames}, Landing: Dict{Names: PageTypeNames}, Exit: Dict{Names: PageTypeNames},
		Channel: Dict{Names: ChannelNames}, Platform: Dict{Names: PlatformNames}, Device: Dict{Names: DeviceClassNames},
		Region: Dict{Names: RegionNames}, MaxStage: Dict{Names: StageNames[:]}, Currency: Dict{Names: CurrencyNames()},
	}
}

func (s *Sessions) Table() *Table { return SessionsTable }
func (s *Sessions) Rows() int     { return len(s.Offset) }

// Columns are the stored columns in the order of SessionsTable.
func (s *Sessions) Columns() []Column {
	return []Column{
		&s.Topic, &s.Offset, &s.Tenant, &s.Session, &s.Visitor, &s.User, &s.Day, &s.Start, &s.End, &s.Events, &s.PageViews,
		&s.Landing, &s.Exit, &s.Channel, &s.Platform, &s.Device, &s.Region, &s.MaxStage, &s.StagesRaw,
		&s.FirstView, &s.FirstCart, &s.FirstCheckout, &s.FirstSubmit, &s.FirstPay, &s.Orders, &s.OrdersPaid, &s.Placed, &s.Paid,
		&s.Currency, &s.OrderHashes, &s.IsBounce, &s.IsEngaged, &s.CartSkipped, &s.IsBot, &s.IsTest, &s.IsInternal,
		&s.Approximate, &s.Closed, &s.MergedInto, &s.Version, &s.IsDeleted,
	}
}

// Reset empties the columns and keeps their memory.
func (s *Sessions) Reset() { resetAll(s.Columns()) }
