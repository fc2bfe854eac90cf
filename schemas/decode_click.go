package schemas

// click judges a clickstream event and appends its row. Everything is read
// before the first column grows: a fault never leaves half a row.
func (d *Decoder) click(r *Record, e *Events) {
	platform := d.mustChoose(fPlatform, d.platforms, d.platformWords)
	anonymous, user := d.text(fAnonymousID), d.text(fUserID)
	if len(anonymous) == 0 && len(user) == 0 {
		d.note(ReasonMissingRequired, "anonymous_id", "is required on every clickstream event without user_id")
	}
	pageType := uint8(0)
	if d.typ.kind == KindPageView {
		pageType = d.mustChoose(fPageType, d.pageTypes, d.pageTypeWords)
	} else {
		pageType = d.choice(fPageType, d.pageTypes, NumPageTypes-1)
	}
	units := d.readItems()
	amount := d.money(fValue)
	results := d.whole(fResultCount, 0, 1<<32-1)
	if d.reason != ReasonNone {
		return
	}

	tenant := d.v.TenantNames[d.tenant]
	id, source, orderID := d.fields[fID].b, d.fields[fSource].b, d.text(fOrderID)
	var dedup, visitor ID
	var userHash, orderHash uint64
	dedup, d.scratch = DedupID(d.scratch, source, id)
	if len(anonymous) > 0 {
		visitor, d.scratch = VisitorID(d.scratch, tenant, "", anonymous)
	} else {
		visitor, d.scratch = VisitorID(d.scratch, tenant, "u:", user)
	}
	if len(user) > 0 {
		userHash, d.scratch = Hash64(d.scratch, tenant, user)
	}
	if len(orderID) > 0 {
		orderHash, d.scratch = Hash64(d.scratch, tenant, orderID)
	}
	t := touch{
		clickID: d.text(fClickID), scene: d.sceneID(), source: d.text(fUTMSource), medium: d.text(fUTMMedium),
		campaign: d.text(fUTMCampaign), referrer: d.text(fReferrer),
	}
	channel := d.classes.channel(&t, d.domains[d.tenant])

	e.Topic.Append(uint8(Clickstream))
	e.Offset.Append(r.Offset)
	e.Tenant.Append(d.tenant)
	e.EventID.Append(id)
	e.Source.Append(source)
	e.Type.Append(d.typ.index)
	e.Time.Append(d.time)
	e.Received.Append(d.received)
	e.Day.Append(0)
	e.Visitor.Append(visitor)
	e.User.Append(userHash)
	e.AnonymousID.Append(anonymous)
	e.UserID.Append(user)
	e.ClientSession.Append(d.text(fClientSession))
	e.Platform.Append(platform)
	e.Device.Append(uint8(Platform(platform).Device()))
	e.PageType.Append(pageType)
	e.Channel.Append(uint8(channel))
	e.Region.Append(d.choice(fRegion, d.regions, RegionOther))
	e.PageURL.Append(d.text(fPageURL))
	e.Referrer.Append(t.referrer)
	e.UTMSource.Append(t.source)
	e.UTMMedium.Append(t.medium)
	e.UTMCampaign.Append(t.campaign)
	if d.itemCount > 0 {
		first := &d.items[0]
		e.ItemID.Append(first[iID].b)
		e.Category.Append(first[iCategory1].text())
		d.scratch = d.stored(d.scratch[:0], d.itemsAt)
		e.Items.Append(d.scratch)
	} else {
		e.ItemID.Append(nil)
		e.Category.Append(nil)
		e.Items.Append(nil)
	}
	e.ItemCount.Append(uint16(d.itemCount))
	e.Quantity.Append(units)
	e.Value.Append(amount)
	e.Currency.Append(d.currency)
	e.OrderID.Append(orderID)
	e.Query.Append(d.text(fQuery))
	e.ResultCount.Append(uint32(results))
	e.Consent.Append(d.choice(fConsent, d.consents, 0))
	e.Sequence.Append(d.sequence)
	e.IsTest.Append(d.isTest)
	e.IsInternal.Append(d.inside)
	e.IsBot.Append(d.bots.isBot(d.text(fUserAgent)))
	e.TimeCorrected.Append(0)
	hasResults := uint8(0)
	if d.fields[fResultCount].shape == isNumber {
		hasResults = 1
	}
	e.HasSearchResult.Append(hasResults)
	e.Late.Append(LateNone)
	e.Extra.Append(d.storedExtra())

	e.Kind.Append(uint8(d.typ.kind))
	e.Sent.Append(d.sent)
	e.Stamp.Append(d.stamp)
	e.Explicit.Append(d.explicit)
	e.Key.Append(EventKey(d.sequence, dedup))
	e.Dedup.Append(dedup)
	e.Order.Append(orderHash)
}

// sceneID may be written as a number, as WeChat's own interface gives it.
func (d *Decoder) sceneID() []byte {
	if v := &d.fields[fSceneID]; v.shape == isString || v.shape == isNumber {
		return v.b
	}
	return nil
}

// text is the string, nil for anything else.
func (v *value) text() []byte {
	if v.shape == isString {
		return v.b
	}
	return nil
}
