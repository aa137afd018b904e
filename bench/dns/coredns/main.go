// CoreDNS with the plugins the benchmark's Corefile uses, built as its documentation says to build one's own
// (https://coredns.io/2017/07/25/compile-time-enabling-or-disabling-plugins/): the peer that bench/dns measures against.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/metrics"
)

func init() {
	dnsserver.Directives = []string{"bind", "prometheus", "errors", "loadbalance", "cache", "file", "forward"}
}

func main() {
	coremain.Run()
}
