package schemas

// order judges an event of the orders topic and appends its row and lines.
func (d *Decoder) order(r *Record, o *Orders, lines *OrderItems) {
	d.mustHave(fOrderID)
	d.mustHave(fOrderVersion)
	version := d.whole(fOrderVersion, 0, 1<<64-1)
	units := d.readItems()
	goods, discount := d.money(fGoods), d.money(fDiscount)
	freight, tax := d.money(fFreight), d.money(fTax)
	payable, paid, refund := d.money(fPayable), d.money(fPaid), d.money(fAmount)
	created, paidAt := d.timeOf(fCreatedAt, storedBefore), d.timeOf(fPaidAt, storedBefore)
	if d.reason == ReasonNone && d.currency == 0 && d.linesHaveMoney() {
		d.note(ReasonMissingRequired, "currency", "is required because items have prices")
	}
	if d.reason != ReasonNone {
		return
	}

	tenant := d.v.TenantNames[d.tenant]
	id, source, orderID := d.fields[fID].b, d.fields[fSource].b, d.fields[fOrderID].b
	anonymous, user := d.text(fAnonymousID), d.text(fUserID)
	var dedup, visitor ID
	var userHash, orderHash uint64
	dedup, d.scratch = DedupID(d.scratch, source, id)
	orderHash, d.scratch = Hash64(d.scratch, tenant, orderID)
	linked := uint8(0)
	switch {
	case len(anonymous) > 0:
		linked = 1
		visitor, d.scratch = VisitorID(d.scratch, tenant, "", anonymous)
	case len(user) > 0:
		linked = 2
		visitor, d.scratch = VisitorID(d.scratch, tenant, "u:", user)
	default:
		visitor, d.scratch = VisitorID(d.scratch, tenant, "o:", orderID)
	}
	if len(user) > 0 {
		userHash, d.scratch = Hash64(d.scratch, tenant, user)
	}
	platform := d.choice(fPlatform, d.platforms, uint8(PlatformOther))

	o.Topic.Append(uint8(OrdersTopic))
	o.Offset.Append(r.Offset)
	o.Tenant.Append(d.tenant)
	o.EventID.Append(id)
	o.Source.Append(source)
	o.Type.Append(d.typ.index)
	o.Time.Append(d.time)
	o.Received.Append(d.received)
	o.Day.Append(0)
	o.OrderID.Append(orderID)
	o.Order.Append(orderHash)
	o.Version.Append(version)
	o.Rank.Append(d.typ.kind.StatusRank())
	o.Visitor.Append(visitor)
	o.User.Append(userHash)
	o.Anonymous.Append(anonymous)
	o.UserID.Append(user)
	o.Platform.Append(platform)
	o.Device.Append(uint8(Platform(platform).Device()))
	o.OrderType.Append(d.choice(fOrderType, d.orderTypes, 0))
	o.Fulfillment.Append(d.choice(fFulfillment, d.fulfillments, 0))
	o.Region.Append(d.choice(fShipRegion, d.regions, RegionOther))
	o.Currency.Append(d.currency)
	o.Goods.Append(goods)
	o.Discount.Append(discount)
	o.Freight.Append(freight)
	o.Tax.Append(tax)
	o.Payable.Append(payable)
	o.Paid.Append(paid)
	o.PaymentMethod.Append(d.choice(fPaymentMethod, d.payMethods, uint8(len(PaymentMethodNames)-1)))
	o.AttemptID.Append(d.text(fAttemptID))
	o.PaymentError.Append(d.choice(fErrorType, d.payErrors, 0))
	o.ErrorCode.Append(d.text(fErrorCode))
	o.CancelReason.Append(d.choice(fCancelReason, d.cancelReasons, uint8(len(CancelReasonNames)-1)))
	o.CancelPaid.Append(d.flag(fWasPaid))
	o.RefundID.Append(d.text(fRefundID))
	o.RefundType.Append(d.choice(fRefundType, d.refundTypes, 0))
	o.RefundReason.Append(d.choice(fReason, d.refundReasons, uint8(len(RefundReasonNames)-1)))
	o.Refund.Append(refund)
	o.CreatedAt.Append(created)
	o.PaidAt.Append(paidAt)
	o.ItemCount.Append(uint16(d.itemCount))
	o.Units.Append(units)
	o.IsTest.Append(d.isTest)
	o.IsInternal.Append(d.inside)
	o.PayableMismatch.Append(d.mismatch(goods-discount+freight+tax, payable))
	o.TimeCorrected.Append(0)
	o.Late.Append(LateNone)
	o.Extra.Append(d.storedExtra())

	o.Kind.Append(uint8(d.typ.kind))
	o.Sent.Append(d.sent)
	o.Stamp.Append(d.stamp)
	o.Explicit.Append(d.explicit)
	o.Dedup.Append(dedup)
	o.HasAnon.Append(linked)

	for n := range d.lines {
		d.line(r, n, orderID, orderHash, version, lines)
	}
}

// mismatch: payable must be goods − discount + freight + tax, give or take one
// minor unit; only an event that states goods and payable can break it.
func (d *Decoder) mismatch(sum, payable int64) uint8 {
	if !d.given(fGoods) || !d.given(fPayable) || (sum-payable >= -1 && sum-payable <= 1) {
		return 0
	}
	return 1
}

// given says whether an amount or its _minor form is there.
func (d *Decoder) given(f field) bool {
	return d.fields[f].shape != absent && d.fields[f].shape != isNull || d.fields[f+1].shape == isNumber
}

func (d *Decoder) linesHaveMoney() bool {
	for n := range d.lines {
		it := &d.items[n]
		for f := iPrice; f <= iDiscountMinor; f++ {
			if it[f].shape != absent && it[f].shape != isNull {
				return true
			}
		}
	}
	return false
}

func (d *Decoder) line(r *Record, n int, orderID []byte, orderHash, version uint64, o *OrderItems) {
	it, l := &d.items[n], &d.lines[n]
	o.Topic.Append(uint8(OrdersTopic))
	o.Offset.Append(r.Offset)
	o.Tenant.Append(d.tenant)
	o.Day.Append(0)
	o.Time.Append(d.time)
	o.OrderID.Append(orderID)
	o.Order.Append(orderHash)
	o.Version.Append(version)
	o.Line.Append(uint16(n))
	o.ItemID.Append(it[iID].b)
	o.SPU.Append(it[iSPU].text())
	o.Name.Append(it[iName].text())
	o.Brand.Append(it[iBrand].text())
	o.Category1.Append(it[iCategory1].text())
	o.Category2.Append(it[iCategory2].text())
	o.Category3.Append(it[iCategory3].text())
	o.Quantity.Append(l.quantity)
	o.Price.Append(l.price)
	o.ListPrice.Append(l.list)
	o.Discount.Append(l.discount)
	o.Amount.Append(l.total)
	o.Currency.Append(d.currency)
	gift := uint8(0)
	if it[iGift].shape == isTrue {
		gift = 1
	}
	o.IsGift.Append(gift)
}
