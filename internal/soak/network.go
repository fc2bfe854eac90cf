package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// network is the proxies between the workers and the rest.
type network struct {
	server *toxiproxy.ApiServer
	kafka  []*toxiproxy.Proxy // one a broker
	store  *toxiproxy.Proxy
	// busy answers 503 to everything, as a load balancer without servers does.
	busy *http.Server
	to   struct{ store, busy string }
}

func newNetwork() *network {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics write to a logger nobody can hand them
	return &network{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())}
}

// toKafka lets a proxy listen where a broker says it is.
func (n *network) toKafka(listen, upstream string) error {
	p := toxiproxy.NewProxy(n.server, "kafka-"+listen, listen, upstream)
	if err := p.Start(); err != nil {
		return fmt.Errorf("proxy to kafka at %s: %w", listen, err)
	}
	n.kafka = append(n.kafka, p)
	return nil
}

// toStore starts the proxy to ClickHouse and gives its URL.
func (n *network) toStore(listen, upstream string) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serve 503: %w", err)
	}
	n.busy = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no server is available", http.StatusServiceUnavailable)
	})}
	go func() { _ = n.busy.Serve(ln) }()
	n.to.store, n.to.busy = upstream, ln.Addr().String()
	n.store = toxiproxy.NewProxy(n.server, "store", listen, upstream)
	if err := n.store.Start(); err != nil {
		return "", fmt.Errorf("proxy to clickhouse: %w", err)
	}
	return "http://" + n.store.Listen, nil
}

// toxic spoils the connections of a proxy, old and new ones, until reset.
func toxic(p *toxiproxy.Proxy, kind, stream string, share float64, attributes map[string]any) error {
	b, err := json.Marshal(map[string]any{"type": kind, "stream": stream, "toxicity": share, "attributes": attributes})
	if err != nil {
		return err
	}
	if _, err := p.Toxics.AddToxicJson(bytes.NewReader(b)); err != nil {
		return fmt.Errorf("spoil %s with %s: %w", p.Name, kind, err)
	}
	return nil
}

// heal makes a proxy work as if nothing had been.
func heal(p *toxiproxy.Proxy) error {
	p.Toxics.ResetToxics(context.Background())
	p.Lock()
	stopped := !p.Enabled
	p.Unlock()
	if stopped {
		if err := p.Start(); err != nil {
			return fmt.Errorf("mend %s: %w", p.Name, err)
		}
	}
	return nil
}

// redirect sends the store's proxy elsewhere; open connections are closed.
func (n *network) redirect(upstream string) error {
	if err := n.store.Update(&toxiproxy.Proxy{Listen: n.store.Listen, Upstream: upstream, Enabled: true}); err != nil {
		return fmt.Errorf("point the proxy of clickhouse at %s: %w", upstream, err)
	}
	return nil
}

func (n *network) close() {
	for _, p := range n.kafka {
		p.Stop()
	}
	if n.store != nil {
		n.store.Stop()
	}
	if n.busy != nil {
		_ = n.busy.Close()
	}
}
