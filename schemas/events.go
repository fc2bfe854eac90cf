package schemas

// Events holds decoded clickstream events column by column; it becomes
// fact_events as it stands. The decoder fills every column; the transform
// corrects Time, fills Day, Late and TimeCorrected, and drops duplicates.
type Events struct {
	Topic    Dict // constant: the Kafka topic's name
	Offset   Fixed[int64]
	Tenant   Dict
	EventID  Strings
	Source   Strings
	Type     Dict         // event type: canonical names and the configured ones
	Time     Fixed[int64] // event time, Unix ms
	Received Fixed[int64] // receivedtime, else the Kafka timestamp, Unix ms
	Day      Fixed[uint16]
	Visitor  Fixed[ID] // 128-bit hash of tenant ‖ 0 ‖ anonymous_id
	User     Fixed[uint64]

	AnonymousID, UserID, ClientSession                        Strings
	Platform, Device, PageType, Channel, Region               Dict
	PageURL, Referrer, UTMSource, UTMMedium, UTMCampaign      Strings
	ItemID, Category                                          Strings // of the first item
	Items                                                     Strings // items as the producer's JSON array
	ItemCount                                                 Fixed[uint16]
	Quantity                                                  Fixed[uint32]
	Value                                                     Fixed[int64] // minor units of Currency
	Currency                                                  Dict
	OrderID                                                   Strings
	Query                                                     Strings
	ResultCount                                               Fixed[uint32]
	Consent                                                   Dict
	Sequence                                                  Fixed[uint64]
	IsTest, IsInternal, IsBot, TimeCorrected, HasSearchResult Fixed[uint8] // Bool
	Late                                                      Dict         // LateClassNames
	Extra                                                     Strings      // unknown fields as a JSON object, empty if none

	// Not stored: what the transform needs beside the columns.
	Kind     Fixed[uint8]  // Kind
	Sent     Fixed[int64]  // senttime, 0 if absent
	Stamp    Fixed[int64]  // Kafka timestamp, 0 if it lies before 2015: the record has none to go by
	Explicit Fixed[uint8]  // 1 if receivedtime was given by the producer
	Key      Fixed[uint64] // OrderKey of the event: tie-break in the canonical order and identity inside a visitor
	Dedup    Fixed[ID]     // 128-bit hash of source ‖ 0 ‖ id
	Order    Fixed[uint64] // hash of tenant ‖ 0 ‖ order_id, 0 if absent
}

// EventsTable describes fact_events.
var EventsTable = &Table{Name: "fact_events", Columns: []ColumnDef{
	{"kafka_topic", "LowCardinality(String)", "Kafka topic of the record"},
	{"kafka_offset", "Int64", "Kafka offset of the record"},
	{"tenant", "LowCardinality(String)", "shop"},
	{"event_id", "String", "id of the event, unique within source"},
	{"source", "String", "producer"},
	{"event_type", "LowCardinality(String)", "canonical event name"},
	{"event_time", "DateTime64(3)", "when it happened, UTC, client clock corrected"},
	{"received_at", "DateTime64(3)", "when the collector or Kafka received it, UTC"},
	{"business_date", "Date", "local date of event_time in the shop's time zone"},
	{"visitor_id", "UUID", "hash of tenant and anonymous_id"},
	{"user_hash", "UInt64", "hash of tenant and user_id, 0 = not logged in"},
	{"anonymous_id", "String", "device or browser id"},
	{"user_id", "String", "keyed hash of the user after login"},
	{"client_session_id", "String", "the tracker's own session, informative"},
	{"platform", "LowCardinality(String)", "closed list platform"},
	{"device_class", "LowCardinality(String)", "mobile, pc, other, unknown; follows from platform"},
	{"page_type", "LowCardinality(String)", "closed list page_type"},
	{"channel", "LowCardinality(String)", "channel of this touch, direct if none"},
	{"region", "LowCardinality(String)", "province, ISO 3166-2:CN"},
	{"page_url", "String", "page address"},
	{"referrer", "String", "referring address"},
	{"utm_source", "String", "campaign source"},
	{"utm_medium", "String", "campaign medium"},
	{"utm_campaign", "String", "campaign name"},
	{"item_id", "String", "SKU of the first item"},
	{"category_l1", "String", "first-level category of the first item"},
	{"items", "String", "items as a JSON array"},
	{"item_count", "UInt16", "number of items"},
	{"quantity", "UInt32", "sum of item quantities"},
	{"value_minor", "Int64", "value in minor units of currency"},
	{"currency", "LowCardinality(String)", "ISO 4217 code, empty if no money"},
	{"order_id", "String", "order id of order_submit and purchase"},
	{"query", "String", "search words"},
	{"result_count", "UInt32", "search results, see has_result_count"},
	{"consent", "LowCardinality(String)", "granted, denied, unknown"},
	{"sequence", "UInt64", "producer order, breaks ties of equal time"},
	{"is_test", "Bool", "test traffic"},
	{"is_internal", "Bool", "the shop's own traffic"},
	{"is_bot", "Bool", "recognised as a bot"},
	{"time_corrected", "Bool", "event_time was set from received_at because it lay more than 5 minutes ahead"},
	{"has_result_count", "Bool", "result_count was given"},
	{"late_class", "LowCardinality(String)", "none, late (outside the merge horizon), too_late (over 72 h)"},
	{"extra", "String", "unknown fields as a JSON object"},
}}

// NewEvents gives empty columns over the vocabulary's lists.
func NewEvents(v *Vocabulary) *Events {
	return &Events{
		Topic: Dict{Names: v.Topics[:]}, Tenant: Dict{Names: v.TenantNames}, Type: Dict{Names: v.Types},
		Platform: Dict{Names: PlatformNames}, Device: Dict{Names: DeviceClassNames}, PageType: Dict{Names: PageTypeNames},
		Channel: Dict{Names: ChannelNames}, Region: Dict{Names: RegionNames}, Currency: Dict{Names: CurrencyNames()},
		Consent: Dict{Names: ConsentNames}, Late: Dict{Names: LateClassNames},
	}
}

func (e *Events) Table() *Table { return EventsTable }
func (e *Events) Rows() int     { return len(e.Offset) }

// Columns are the stored columns in the order of EventsTable.
func (e *Events) Columns() []Column {
	return []Column{
		&e.Topic, &e.Offset, &e.Tenant, &e.EventID, &e.Source, &e.Type, &e.Time, &e.Received, &e.Day, &e.Visitor, &e.User,
		&e.AnonymousID, &e.UserID, &e.ClientSession, &e.Platform, &e.Device, &e.PageType, &e.Channel, &e.Region,
		&e.PageURL, &e.Referrer, &e.UTMSource, &e.UTMMedium, &e.UTMCampaign, &e.ItemID, &e.Category, &e.Items, &e.ItemCount,
		&e.Quantity, &e.Value, &e.Currency, &e.OrderID, &e.Query, &e.ResultCount, &e.Consent, &e.Sequence,
		&e.IsTest, &e.IsInternal, &e.IsBot, &e.TimeCorrected, &e.HasSearchResult, &e.Late, &e.Extra,
	}
}

func (e *Events) side() []Column {
	return []Column{&e.Kind, &e.Sent, &e.Stamp, &e.Explicit, &e.Key, &e.Dedup, &e.Order}
}

// Reset empties the columns and keeps their memory.
func (e *Events) Reset() { resetAll(e.Columns(), e.side()) }

// Keep drops the rows whose entry is false, in every column.
func (e *Events) Keep(keep []bool) { keepAll(keep, e.Columns(), e.side()) }

func resetAll(groups ...[]Column) {
	for _, cols := range groups {
		for _, c := range cols {
			c.Reset()
		}
	}
}

func keepAll(keep []bool, groups ...[]Column) {
	for _, cols := range groups {
		for _, c := range cols {
			c.Keep(keep)
		}
	}
}

// EventKey packs what decides between two events of one visitor at one
// millisecond: the producer's sequence (saturated at 65,535), then 48 bits of
// the hash of source and id. It depends on the event alone.
func EventKey(sequence uint64, dedup ID) uint64 {
	h := uint64(dedup[0])<<40 | uint64(dedup[1])<<32 | uint64(dedup[2])<<24 | uint64(dedup[3])<<16 | uint64(dedup[4])<<8 | uint64(dedup[5])
	return min(sequence, 0xffff)<<48 | h
}
