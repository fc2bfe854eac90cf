package schemas

// Orders holds decoded events of the orders topic column by column; it becomes
// fact_order_events as it stands. The transform corrects Time, fills Day, Late
// and TimeCorrected, and drops duplicates.
type Orders struct {
	Topic    Dict
	Offset   Fixed[int64]
	Tenant   Dict
	EventID  Strings
	Source   Strings
	Type     Dict
	Time     Fixed[int64]
	Received Fixed[int64]
	Day      Fixed[uint16]

	OrderID   Strings
	Order     Fixed[uint64] // hash of tenant ‖ 0 ‖ order_id
	Version   Fixed[uint64]
	Rank      Fixed[uint16] // Kind.StatusRank
	Visitor   Fixed[ID]     // of anonymous_id, else "u:"+user_id, else "o:"+order_id
	User      Fixed[uint64]
	Anonymous Strings
	UserID    Strings

	Platform, Device, OrderType, Fulfillment, Region, Currency Dict
	Goods, Discount, Freight, Tax, Payable, Paid               Fixed[int64] // minor units
	PaymentMethod                                              Dict
	AttemptID                                                  Strings
	PaymentError                                               Dict
	ErrorCode                                                  Strings
	CancelReason                                               Dict
	CancelPaid                                                 Fixed[uint8]
	RefundID                                                   Strings
	RefundType, RefundReason                                   Dict
	Refund                                                     Fixed[int64]
	CreatedAt, PaidAt                                          NullTimes
	ItemCount                                                  Fixed[uint16]
	Units                                                      Fixed[uint32]
	IsTest, IsInternal, PayableMismatch, TimeCorrected         Fixed[uint8]
	Late                                                       Dict
	Extra                                                      Strings

	// Not stored.
	Kind     Fixed[uint8]
	Sent     Fixed[int64]
	Stamp    Fixed[int64]
	Explicit Fixed[uint8]
	Dedup    Fixed[ID]
	HasAnon  Fixed[uint8] // 1 if Visitor comes from anonymous_id, 2 from user_id, 0 from order_id
}

// OrdersTable describes fact_order_events.
var OrdersTable = &Table{Name: "fact_order_events", Columns: []ColumnDef{
	{"kafka_topic", "LowCardinality(String)", "Kafka topic of the record"},
	{"kafka_offset", "Int64", "Kafka offset of the record"},
	{"tenant", "LowCardinality(String)", "shop"},
	{"event_id", "String", "id of the event, unique within source"},
	{"source", "String", "producer"},
	{"event_type", "LowCardinality(String)", "canonical event name"},
	{"event_time", "DateTime64(3)", "when it happened, UTC"},
	{"received_at", "DateTime64(3)", "when the collector or Kafka received it, UTC"},
	{"business_date", "Date", "local date of event_time in the shop's time zone"},
	{"order_id", "String", "order"},
	{"order_hash", "UInt64", "hash of tenant and order_id"},
	{"order_version", "UInt64", "grows with every change of the order"},
	{"status_rank", "UInt16", "rank of the order state this event sets, 0 = none"},
	{"visitor_id", "UUID", "visitor the order is linked by"},
	{"user_hash", "UInt64", "hash of tenant and user_id, 0 = unknown"},
	{"anonymous_id", "String", "device or browser id"},
	{"user_id", "String", "keyed hash of the user"},
	{"platform", "LowCardinality(String)", "where the order was placed"},
	{"device_class", "LowCardinality(String)", "follows from platform"},
	{"order_type", "LowCardinality(String)", "normal, presale, subscription, group_buy, exchange, gift, imported"},
	{"fulfillment_type", "LowCardinality(String)", "warehouse, dropship, pickup"},
	{"ship_region", "LowCardinality(String)", "province, ISO 3166-2:CN"},
	{"currency", "LowCardinality(String)", "ISO 4217 code"},
	{"goods_minor", "Int64", "goods, minor units"},
	{"discount_minor", "Int64", "discounts, minor units"},
	{"freight_minor", "Int64", "freight, minor units"},
	{"tax_minor", "Int64", "tax, minor units"},
	{"payable_minor", "Int64", "goods - discount + freight + tax, minor units"},
	{"paid_minor", "Int64", "paid amount of order.paid, minor units"},
	{"payment_method", "LowCardinality(String)", "closed list payment_method"},
	{"attempt_id", "String", "payment attempt"},
	{"payment_error", "LowCardinality(String)", "hard, soft, user_cancel, risk_block, timeout"},
	{"error_code", "String", "the gateway's code"},
	{"cancel_reason", "LowCardinality(String)", "buyer, timeout_unpaid, out_of_stock, seller, risk, other"},
	{"cancel_paid", "Bool", "the order had been paid when it was cancelled"},
	{"refund_id", "String", "refund"},
	{"refund_type", "LowCardinality(String)", "refund_only, return_and_refund, pre_ship"},
	{"refund_reason", "LowCardinality(String)", "closed list refund_reason"},
	{"refund_minor", "Int64", "refunded amount, minor units"},
	{"created_at", "Nullable(DateTime64(3))", "when the order was created, null if this event does not say"},
	{"paid_at", "Nullable(DateTime64(3))", "when the order was paid, null if this event does not say"},
	{"item_count", "UInt16", "order lines in this event"},
	{"units", "UInt32", "sum of line quantities in this event"},
	{"is_test", "Bool", "test order"},
	{"is_internal", "Bool", "the shop's own order"},
	{"payable_mismatch", "Bool", "payable differs from goods - discount + freight + tax by more than one minor unit"},
	{"time_corrected", "Bool", "event_time was set from received_at because it lay more than 5 minutes ahead"},
	{"late_class", "LowCardinality(String)", "none, late, too_late"},
	{"extra", "String", "unknown fields as a JSON object"},
}}

// NewOrders gives empty columns over the vocabulary's lists.
func NewOrders(v *Vocabulary) *Orders {
	return &Orders{
		Topic: Dict{Names: v.Topics[:]}, Tenant: Dict{Names: v.TenantNames}, Type: Dict{Names: v.Types},
		Platform: Dict{Names: PlatformNames}, Device: Dict{Names: DeviceClassNames}, OrderType: Dict{Names: OrderTypeNames},
		Fulfillment: Dict{Names: FulfillmentNames}, Region: Dict{Names: RegionNames}, Currency: Dict{Names: CurrencyNames()},
		PaymentMethod: Dict{Names: PaymentMethodNames}, PaymentError: Dict{Names: PaymentErrorNames},
		CancelReason: Dict{Names: CancelReasonNames}, RefundType: Dict{Names: RefundTypeNames},
		RefundReason: Dict{Names: RefundReasonNames}, Late: Dict{Names: LateClassNames},
	}
}

func (o *Orders) Table() *Table { return OrdersTable }
func (o *Orders) Rows() int     { return len(o.Offset) }

// Columns are the stored columns in the order of OrdersTable.
func (o *Orders) Columns() []Column {
	return []Column{
		&o.Topic, &o.Offset, &o.Tenant, &o.EventID, &o.Source, &o.Type, &o.Time, &o.Received, &o.Day,
		&o.OrderID, &o.Order, &o.Version, &o.Rank, &o.Visitor, &o.User, &o.Anonymous, &o.UserID,
		&o.Platform, &o.Device, &o.OrderType, &o.Fulfillment, &o.Region, &o.Currency,
		&o.Goods, &o.Discount, &o.Freight, &o.Tax, &o.Payable, &o.Paid, &o.PaymentMethod, &o.AttemptID,
		&o.PaymentError, &o.ErrorCode, &o.CancelReason, &o.CancelPaid, &o.RefundID, &o.RefundType, &o.RefundReason,
		&o.Refund, &o.CreatedAt, &o.PaidAt, &o.ItemCount, &o.Units,
		&o.IsTest, &o.IsInternal, &o.PayableMismatch, &o.TimeCorrected, &o.Late, &o.Extra,
	}
}

func (o *Orders) side() []Column {
	return []Column{&o.Kind, &o.Sent, &o.Stamp, &o.Explicit, &o.Dedup, &o.HasAnon}
}

// Reset empties the columns and keeps their memory.
func (o *Orders) Reset() { resetAll(o.Columns(), o.side()) }

// Keep drops the rows whose entry is false, in every column.
func (o *Orders) Keep(keep []bool) { keepAll(keep, o.Columns(), o.side()) }

// OrderItems holds the lines of the order events; it becomes fact_order_items.
// Lines of a dropped duplicate are dropped by their offset.
type OrderItems struct {
	Topic                              Dict
	Offset                             Fixed[int64]
	Tenant                             Dict
	Day                                Fixed[uint16]
	Time                               Fixed[int64]
	OrderID                            Strings
	Order, Version                     Fixed[uint64]
	Line                               Fixed[uint16]
	ItemID, SPU, Name, Brand           Strings
	Category1, Category2, Category3    Strings
	Quantity                           Fixed[uint32]
	Price, ListPrice, Discount, Amount Fixed[int64] // minor units; Amount = price × quantity
	Currency                           Dict
	IsGift                             Fixed[uint8]
}

// OrderItemsTable describes fact_order_items.
var OrderItemsTable = &Table{Name: "fact_order_items", Columns: []ColumnDef{
	{"kafka_topic", "LowCardinality(String)", "Kafka topic of the record"},
	{"kafka_offset", "Int64", "Kafka offset of the record"},
	{"tenant", "LowCardinality(String)", "shop"},
	{"business_date", "Date", "local date of the event's time in the shop's time zone"},
	{"event_time", "DateTime64(3)", "when the order event happened, UTC"},
	{"order_id", "String", "order"},
	{"order_hash", "UInt64", "hash of tenant and order_id"},
	{"order_version", "UInt64", "version of the order this line belongs to"},
	{"line", "UInt16", "number of the line in the event, from 0"},
	{"item_id", "String", "SKU"},
	{"spu_id", "String", "product"},
	{"item_name", "String", "product name"},
	{"item_brand", "String", "brand"},
	{"category_l1", "String", "first-level category"},
	{"category_l2", "String", "second-level category"},
	{"category_l3", "String", "third-level category"},
	{"quantity", "UInt32", "units"},
	{"price_minor", "Int64", "unit price after item discount, minor units"},
	{"list_price_minor", "Int64", "unit list price, minor units"},
	{"discount_minor", "Int64", "unit discount, minor units"},
	{"amount_minor", "Int64", "price times quantity, minor units"},
	{"currency", "LowCardinality(String)", "ISO 4217 code"},
	{"is_gift", "Bool", "gift line"},
}}

// NewOrderItems gives empty columns over the vocabulary's lists.
func NewOrderItems(v *Vocabulary) *OrderItems {
	return &OrderItems{Topic: Dict{Names: v.Topics[:]}, Tenant: Dict{Names: v.TenantNames}, Currency: Dict{Names: CurrencyNames()}}
}

func (i *OrderItems) Table() *Table { return OrderItemsTable }
func (i *OrderItems) Rows() int     { return len(i.Offset) }

// Columns are the stored columns in the order of OrderItemsTable.
func (i *OrderItems) Columns() []Column {
	return []Column{
		&i.Topic, &i.Offset, &i.Tenant, &i.Day, &i.Time, &i.OrderID, &i.Order, &i.Version, &i.Line, &i.ItemID, &i.SPU, &i.Name,
		&i.Brand, &i.Category1, &i.Category2, &i.Category3, &i.Quantity, &i.Price, &i.ListPrice, &i.Discount, &i.Amount, &i.Currency, &i.IsGift,
	}
}

// Reset empties the columns and keeps their memory.
func (i *OrderItems) Reset() { resetAll(i.Columns()) }

// Keep drops the rows whose entry is false, in every column.
func (i *OrderItems) Keep(keep []bool) { keepAll(keep, i.Columns()) }

// Refunds holds one row per accepted refund event; the transform fills it.
type Refunds struct {
	Topic        Dict
	Offset       Fixed[int64]
	Tenant       Dict
	Type         Dict
	Time         Fixed[int64]
	Day          Fixed[uint16]
	OrderID      Strings
	Order        Fixed[uint64]
	RefundID     Strings
	RefundType   Dict
	RefundReason Dict
	Refund       Fixed[int64]
	Currency     Dict
}

// RefundsTable describes fact_refunds.
var RefundsTable = &Table{Name: "fact_refunds", Columns: []ColumnDef{
	{"kafka_topic", "LowCardinality(String)", "Kafka topic of the record"},
	{"kafka_offset", "Int64", "Kafka offset of the record"},
	{"tenant", "LowCardinality(String)", "shop"},
	{"event_type", "LowCardinality(String)", "refund.requested or refund.succeeded"},
	{"event_time", "DateTime64(3)", "when it happened, UTC"},
	{"business_date", "Date", "local date of event_time in the shop's time zone"},
	{"order_id", "String", "order"},
	{"order_hash", "UInt64", "hash of tenant and order_id"},
	{"refund_id", "String", "refund"},
	{"refund_type", "LowCardinality(String)", "refund_only, return_and_refund, pre_ship"},
	{"refund_reason", "LowCardinality(String)", "closed list refund_reason"},
	{"refund_minor", "Int64", "amount, minor units"},
	{"currency", "LowCardinality(String)", "ISO 4217 code"},
}}

// NewRefunds gives empty columns over the vocabulary's lists.
func NewRefunds(v *Vocabulary) *Refunds {
	return &Refunds{
		Topic: Dict{Names: v.Topics[:]}, Tenant: Dict{Names: v.TenantNames}, Type: Dict{Names: v.Types},
		RefundType: Dict{Names: RefundTypeNames}, RefundReason: Dict{Names: RefundReasonNames}, Currency: Dict{Names: CurrencyNames()},
	}
}

func (r *Refunds) Table() *Table { return RefundsTable }
func (r *Refunds) Rows() int     { return len(r.Offset) }

// Columns are the stored columns in the order of RefundsTable.
func (r *Refunds) Columns() []Column {
	return []Column{
		&r.Topic, &r.Offset, &r.Tenant, &r.Type, &r.Time, &r.Day, &r.OrderID, &r.Order, &r.RefundID, &r.RefundType,
		&r.RefundReason, &r.Refund, &r.Currency,
	}
}

// Reset empties the columns and keeps their memory.
func (r *Refunds) Reset() { resetAll(r.Columns()) }
