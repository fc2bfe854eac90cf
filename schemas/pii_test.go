package schemas

import (
	"strings"
	"testing"
)

// A denied value is nowhere in the letter, whatever else is wrong with the
// record and however the name is written.
func TestPersonalDataNeverStays(t *testing.T) {
	v := testVocabulary(t)
	const secret = "13800138000"
	start := `{"id":"e-1","type":"page_view",`
	for _, c := range []struct {
		value, field string
		reason       Reason
	}{
		{start + `"phone":"13800138000"}`, "phone", ReasonPII},
		{start + `"Phone-Number" : 13800138000 }`, "Phone-Number", ReasonPII},
		{start + `"\u0070hone":"13800138000"}`, "phone", ReasonPII},
		{start + `"手机号":"13800138000"}`, "手机号", ReasonPII},
		{start + `"who":{"mobile":["13800138000",{"x":"13800138000"}]},"z":1}`, "who.mobile", ReasonPII},
		{start + `"who":[0,{"a":[]},{"deep":[[{"receiverName":"13800138000"}]]}]}`, "who[2].deep[0][0].receiverName", ReasonPII},
		{start + `"items":[{"item_id":"s"},{"item_id":"s","address":{"line":"13800138000"}}]}`, "items[1].address", ReasonPII},
		{start + `"platform":{"email":"13800138000"}}`, "platform.email", ReasonPII},
		{start + `"ip":{"phone":"13800138000","x":"13800138000"}}`, "ip.phone", ReasonPII},
		{start + `"a":{"phone":{"email":"13800138000"}},"b":{"dob":"13800138000"}}`, "a.phone.email", ReasonPII},
		{`[{"phone":"13800138000"}]`, "[0].phone", ReasonPII},
		{start + `"ip":"13800138000"}`, "source", ReasonMissingRequired}, // dropped, not denied
		{start + `"device":{"user_agent":"13800138000"}}`, "source", ReasonMissingRequired},
		{start + `"phone":"13800138000",}`, "", ReasonBadJSON},
		{start + `"phone":"13800138000`, "", ReasonBadJSON},
		{start + `"x":"y"z","phone":"13800138000"}`, "", ReasonBadJSON},
		{`{phone: 13800138000}`, "", ReasonBadJSON},
		{`{'phone': '13800138000'}`, "", ReasonBadJSON},
		{`id=1&phone=13800138000&x=1`, "", ReasonBadJSON},
		{`"{\"phone\":\"13800138000\"}" x`, "", ReasonBadJSON},
		{start + `"\u0070hone":"13800138000",,}`, "", ReasonBadJSON},
		{start + `"phone":{"a":["13800138000"],"b":{"c":"13800138000"}} ]`, "", ReasonBadJSON},
		{start + `"phone":"13800138000","pad":"` + strings.Repeat("x", maxRecord) + `"}`, "", ReasonTooLarge},
	} {
		b := NewBatch(v)
		reason := NewDecoder(v).Decode(Clickstream, &Record{Value: []byte(c.value), Timestamp: arrival}, b)
		show := c.value[:min(len(c.value), 100)]
		if reason != c.reason {
			t.Errorf("%s: reason %s (%s), want %s", show, reason, b.Letters.Detail.At(0), c.reason)
			continue
		}
		if got := string(b.Letters.Field.At(0)); got != c.field {
			t.Errorf("%s: field %q, want %q", show, got, c.field)
		}
		kept := string(b.Letters.Value.At(0))
		if strings.Contains(kept, secret) || strings.Contains(string(b.Letters.Detail.At(0)), secret) {
			t.Errorf("%s: the letter still holds it: %s", show, kept)
		}
	}
}

// What redaction leaves is accepted when it is sent again.
func TestRedactedRecordCanBeSentAgain(t *testing.T) {
	v := testVocabulary(t)
	d, b := NewDecoder(v), NewBatch(v)
	first := strings.Replace(smallEvent, `"consent"`, `"phone":"13800138000","consent"`, 1)
	if r := d.Decode(Clickstream, &Record{Value: []byte(first), Timestamp: arrival}, b); r != ReasonPII {
		t.Fatal(r)
	}
	if r := d.Decode(Clickstream, &Record{Value: b.Letters.Value.At(0), Timestamp: arrival}, b); r != ReasonNone {
		t.Errorf("refused again: %s: %s", r, b.Letters.Detail.At(1))
	}
}

// Ordinary names that only look like personal ones.
func TestOrdinaryNames(t *testing.T) {
	l := newDenyList()
	for _, name := range []string{"item_name", "name", "email_hash", "city", "region", "page_title", "campaign_name", "phone_model", ""} {
		if got := l.judge([]byte(name)); got != allowed {
			t.Errorf("%s is judged %d", name, got)
		}
	}
}

// A row that the store refused keeps what finds its letter, and nothing of what
// is never stored.
func TestRefusedLetterKeepsNoPersonalData(t *testing.T) {
	v := testVocabulary(t)
	l := NewLetters(v)
	l.AppendRefused(Clickstream, 7, FactEvents, 3, "no", &Record{Value: []byte(`{"id":"e1","type":"page_view","user_agent":"Mozilla/5.0","context":{"ip":"10.1.2.3"},"price":1.50}`)})
	if got, want := string(l.Value.At(0)), `{"id":"e1","type":"page_view","user_agent":null,"context":{"ip":null},"price":1.50}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if id, typ := string(l.EventID.At(0)), string(l.Type.At(0)); id != "e1" || typ != "page_view" {
		t.Errorf("the letter of %q, %q", id, typ)
	}
	l.AppendRefused(Clickstream, 8, FactSessions, 3, "no", nil)
}
