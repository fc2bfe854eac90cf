package transform

// Bounds and fixed intervals, in milliseconds where a time. What a bound cuts
// is counted in ecom_state_cut_total.
const (
	maxSessionEvents = 5000    // beyond, a session keeps counts only (docs/events.md, Sessions)
	maxVisitorEvents = 8192    // beyond, all sessions of the visitor but the last are final
	maxVisitorUsers  = 15      // 4 bits of a packed event
	maxVisitorOrders = 256     // orders and hints that wait for sessions of one visitor
	maxDedup         = 1 << 20 // remembered ids of the orders topic
	maxRows          = 900_000 // session rows an epoch, before those wait that time alone asks for
	maxWaits         = 1 << 20 // stretches of time and orders that wait for a rebuild

	// MaxSessionRows is what the ordinal in a session row's version can number in
	// one epoch: it has 20 bits.
	MaxSessionRows = 1<<20 - 1

	second = 1000
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour

	// clockTolerance is allowed between the shop's order clock and the client's.
	clockTolerance = 2 * minute
	// linkSlack is how much longer than gap + merge horizon a span stays, so that
	// no event inside the horizon can begin a session that would have won the link
	// of an order whose session has already left.
	linkSlack    = 2 * clockTolerance
	futureBound  = 5 * minute // an event further ahead of its arrival has a wrong clock
	tooOld       = 72 * hour
	maxLateness  = 7 * day // more is observed as this much: the sum of a histogram has 64 bits
	activeWindow = 5 * minute
	maxOffset    = 1<<32 - 1 // of a packed event from its visitor's base
	baseMargin   = 3 * hour  // room below the first event, so that late ones need no rebase
	// maxSpan lies between the first and the last event of a visitor; longer than
	// any session.
	maxSpan = maxOffset - baseMargin - 1<<originShift
)

// Indexes into the label values of ecom_state_cut_total.
const (
	cutSessionEvents = iota
	cutVisitorUsers
	cutVisitorOrders
	cutDedup
	cutRebuild
)
