package transform

import "github.com/storepulse/storepulse/schemas"

// Span is a stretch of a visitor's time, both ends included, Unix ms.
type Span struct {
	Visitor  schemas.ID
	From, To int64
}

// Ask is what a survey wants to know of the past next: facts of the lane's
// earlier epochs, without those that came too late for any session.
type Ask struct {
	Clicks   []Span   // the visitor's events
	Owned    []Span   // orders of which one event names the visitor and one, maybe another, tells a time in the span
	Orders   []uint64 // all events of the orders and all clicks that name them
	Sessions []Span   // sessions of the visitor that begin in the span, whatever became of them
}

func (a *Ask) empty() bool {
	return len(a.Clicks)+len(a.Owned)+len(a.Orders)+len(a.Sessions) == 0
}

// Past answers an Ask. The order of rows is nothing, and a row may come twice.
// Of a span or an order with more than MaxPast rows it may hold any MaxPast+1.
type Past struct {
	Clicks   []PastClick
	Owned    []uint64
	Orders   []PastOrder
	Sessions []PastSession
}

// MaxPast is how many events of one visitor or one order a rebuild looks at;
// sessions of more are left as they are.
const MaxPast = maxSessionEvents

// PastClick is an accepted event of the clickstream as its fact tells.
type PastClick struct {
	Offset, Time                      int64
	Visitor                           schemas.ID
	Key, User                         uint64
	Order                             uint64 // that it names, 0 = none
	Tenant, Kind                      uint8
	PageType, Channel                 uint8
	Platform, Region                  uint8
	IsTest, IsInternal, IsBot, Naming bool // Naming: it is an order_submit or a purchase
}

// PastOrder is an event of the orders topic as its fact tells.
type PastOrder struct {
	Offset, Time, Received      int64
	Order, Version              uint64
	Visitor                     schemas.ID
	Identity                    uint8 // 1 = Visitor is of an anonymous_id, 2 = of a user_id, 0 = of neither
	CreatedAt, PaidAt           int64 // 0 = not stated
	Payable, Paid               int64
	Rank                        uint16
	Tenant, Kind, Platform      uint8
	Currency, Region, OrderType uint8
	IsTest, IsInternal          bool
}

// PastSession names a session that was written some time.
type PastSession struct {
	Session, Visitor schemas.ID
	Start            int64
	Tenant           uint8
}
