package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/storepulse/storepulse/internal/gen"
)

// incidentHelp belongs to the help of every command that has shoppers.
const incidentHelp = `
--incident KIND,start=TIME,length=TIME[,SLICE=VALUE...] makes something go wrong, and may
be given several times. Times are the shop's: with --time-lapse 60, start=2m is two
seconds after the first event. Without a slice an incident meets the whole shop.

  payment_outage  payments fail hard, nothing is paid      platform, payment_method
  slow_pages      every second visitor does not wait       platform, channel, page_type
  tracking_loss   client events are not sent, orders are   platform, channel
  stock_out       products cannot be put into the cart     category, product`

// incidentFlag lets a command take incidents, as they are typed.
func incidentFlag(f *pflag.FlagSet, texts *[]string) {
	f.StringArrayVar(texts, "incident", nil, "something that goes wrong: "+strings.Join(gen.IncidentNames[:], ", ")+"; see above; may be repeated")
}
