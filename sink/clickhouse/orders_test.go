package clickhouse_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

// appendOrder appends one event of an order; set fills what differs from zero.
func appendOrder(o *schemas.Orders, order string, kind schemas.Kind, version uint64, minute int64, set func(row int)) {
	row := o.Rows()
	for i, col := range o.Columns() {
		switch col := col.(type) {
		case *schemas.Fixed[uint8]:
			col.Append(0)
		case *schemas.Fixed[uint16]:
			col.Append(0)
		case *schemas.Fixed[uint32]:
			col.Append(0)
		case *schemas.Fixed[uint64]:
			col.Append(0)
		case *schemas.Fixed[int64]:
			col.Append(0)
		case *schemas.Fixed[schemas.ID]:
			col.Append(schemas.ID{})
		case *schemas.NullTimes:
			col.Append(0)
		case *schemas.Dict:
			col.Append(0)
		case *schemas.Strings:
			switch o.Table().Columns[i].Name {
			case "order_id":
				col.AppendString(order)
			case "refund_id":
				col.AppendString(fmt.Sprintf("r%d", version))
			default:
				col.AppendString("")
			}
		}
	}
	o.Topic.Index[row] = uint8(schemas.OrdersTopic)
	o.Type.Index[row] = uint8(kind)
	o.Version[row], o.Rank[row] = version, kind.StatusRank()
	o.Time[row], o.Day[row] = firstTime+minute*60_000, firstDay
	o.Order[row], _ = schemas.Hash64(nil, "acme", []byte(order))
	set(row)
}

// The state of an order does not depend on the order in which its events come,
// nor on copies of them.
func TestOrdersFromEventsInAnyOrderAndAnyNumber(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 1, 1)
	cny := schemas.CurrencyIndex([]byte("CNY"))
	story := func(o *schemas.Orders) {
		created := func(payable int64) func(int) {
			return func(r int) {
				o.Payable[r], o.Goods[r], o.Currency.Index[r], o.Units[r], o.ItemCount[r] = payable, payable, cny, 3, 2
				o.CreatedAt[r], o.Platform.Index[r], o.Device.Index[r] = o.Time[r], uint8(schemas.PlatformH5), uint8(schemas.DeviceMobile)
			}
		}
		paid := func(amount int64) func(int) {
			return func(r int) {
				o.Paid[r], o.PaidAt[r], o.PaymentMethod.Index[r], o.Currency.Index[r] = amount, o.Time[r], 1, cny
			}
		}
		refund := func(amount int64) func(int) {
			return func(r int) { o.Refund[r], o.Currency.Index[r] = amount, cny }
		}
		nothing := func(int) {}
		appendOrder(o, "paid", schemas.KindOrderCreated, 1, 0, created(900))
		appendOrder(o, "paid", schemas.KindOrderUpdated, 2, 1, created(700))
		appendOrder(o, "paid", schemas.KindOrderPaid, 3, 2, paid(700))
		appendOrder(o, "paid", schemas.KindRefundRequested, 4, 3, refund(200))
		appendOrder(o, "paid", schemas.KindRefundSucceeded, 5, 4, refund(200))
		appendOrder(o, "paid", schemas.KindRefundSucceeded, 6, 5, refund(100))
		appendOrder(o, "unpaid", schemas.KindOrderCreated, 1, 0, created(50))
		appendOrder(o, "unpaid", schemas.KindOrderCancelled, 2, 9, func(r int) { o.CancelReason.Index[r] = 2 })
		appendOrder(o, "only paid", schemas.KindOrderPaid, 7, 8, paid(30))
		appendOrder(o, "refunded", schemas.KindOrderCreated, 1, 0, created(40))
		appendOrder(o, "refunded", schemas.KindOrderPaid, 2, 1, paid(40))
		appendOrder(o, "refunded", schemas.KindRefundSucceeded, 3, 2, refund(40))
		appendOrder(o, "asked", schemas.KindOrderCreated, 1, 0, created(40))
		appendOrder(o, "asked", schemas.KindRefundRequested, 2, 2, refund(40))
		appendOrder(o, "tried", schemas.KindPaymentFailed, 3, 2, nothing)
	}
	o := schemas.NewOrders(v)
	story(o)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for epoch := range uint64(3) { // three copies, each cut into two inserts
		order := rnd.Perm(o.Rows())
		for i, part := range [][]int{order[:6], order[6:]} {
			rows := make([]uint32, len(part))
			for k, r := range part {
				rows[k] = uint32(r)
			}
			stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: epoch + 1}
			if err := insert(t.Context(), c, fmt.Sprint(epoch, i), stamp, schemas.FactOrderEvents, o, rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows, err := c.Query(t.Context(), `SELECT concat(order_id, ': ', status, ' v', toString(order_version), ' payable ', toString(payable_minor), ' paid ', toString(paid_minor),
		' refunded ', toString(refunded_minor), ' ', refund_state, ' ', currency, ' ', toString(units), ' units', if(synthetic_created, ' synthetic', ''),
		' ', platform, ' ', payment_method, ' ', ifNull(toString(dateDiff('minute', created_at, paid_at)), '-'), ' ', cancel_reason) FROM orders ORDER BY order_id`, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	want := []string{
		"asked: created v2 payable 40 paid 0 refunded 0 requested CNY 3 units h5  - ",
		"only paid: paid v7 payable 0 paid 30 refunded 0 none CNY 0 units synthetic unknown alipay 0 ",
		"paid: paid v6 payable 700 paid 700 refunded 300 partial CNY 3 units h5 alipay 2 ",
		"refunded: paid v3 payable 40 paid 40 refunded 40 full CNY 3 units h5 alipay 1 ",
		"tried: unknown v3 payable 0 paid 0 refunded 0 none  0 units synthetic unknown  - ",
		"unpaid: closed_unpaid v2 payable 50 paid 0 refunded 0 none CNY 3 units h5  - timeout_unpaid",
	}
	slices.Sort(want)
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("orders (-got, +want):\n%s", d)
	}
}
