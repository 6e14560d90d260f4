package blockio

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// publishedAddrs is the service's list of the addresses that its web hooks come
// from, as of 3 August 2020.
var publishedAddrs = []string{
	"45.56.79.5",
	"45.56.123.170",
	"45.33.20.161",
	"45.33.4.167",
	"2600:3c00::f03c:91ff:fe33:2e14",
	"2600:3c00::f03c:91ff:fe89:bb9b",
	"2600:3c00::f03c:91ff:fe33:d082",
	"2600:3c00::f03c:92ff:fe5e:4219",
}

// PublishedAddrs returns the addresses that the service's web hooks come from,
// as its documentation listed them on 3 August 2020. Treat the list as a start,
// to which addresses can be added.
func PublishedAddrs() []netip.Prefix {
	prefixes := make([]netip.Prefix, len(publishedAddrs))
	for i, text := range publishedAddrs {
		addr := netip.MustParseAddr(text)
		prefixes[i] = netip.PrefixFrom(addr, addr.BitLen())
	}
	return prefixes
}

var (
	errUnknownSource = errors.New("the sender's address is not listed")
	errNoSource      = errors.New("the sender's address cannot be read")
)

// SourceAddrs returns a Verifier that accepts deliveries from addrs; nil stands
// for [PublishedAddrs]. Its level is SourceOnly.
//
// proxies are the reverse proxies in front of the receiver. For a request from
// one of them the sender is taken from X-Forwarded-For, read from the right: it
// is the first address that is not a listed proxy, since everything to the left
// of it is the sender's own claim. Each listed proxy must append to that
// header. From anybody else the header is ignored. A connection without an
// address, such as a unix socket, is refused.
func SourceAddrs(addrs, proxies []netip.Prefix) Verifier {
	if addrs == nil {
		addrs = PublishedAddrs()
	}
	allowed, trusted := prefixSet(addrs), prefixSet(proxies)
	return VerifierFunc(func(_ context.Context, r *http.Request, _ []byte) (Proof, error) {
		addr, ok := sender(r, trusted)
		switch {
		case !ok:
			return Unverified, errNoSource
		case !contains(allowed, addr):
			return Unverified, errUnknownSource
		}
		return SourceOnly, nil
	})
}

// sender is the peer or, behind trusted proxies, whom they forward for.
func sender(r *http.Request, trusted []netip.Prefix) (netip.Addr, bool) {
	addr, ok := parseAddr(r.RemoteAddr)
	if !ok || !contains(trusted, addr) {
		return addr, ok
	}
	// Several headers are one list, in their order.
	list := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	if strings.TrimSpace(list) == "" {
		return addr, true
	}
	hops := strings.Split(list, ",")
	for _, hop := range slices.Backward(hops) {
		if addr, ok = parseAddr(strings.TrimSpace(hop)); !ok {
			return netip.Addr{}, false
		}
		if !contains(trusted, addr) {
			break
		}
	}
	return addr, true
}

// parseAddr takes an address with or without a port.
func parseAddr(text string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return plain(ap.Addr()), true
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return plain(addr), err == nil
}

// plain makes the spellings of one address equal.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func contains(set []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(set, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// prefixSet copies prefixes; IPv4 ones that are written as IPv6 become IPv4.
func prefixSet(prefixes []netip.Prefix) []netip.Prefix {
	set := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		set[i] = p
	}
	return set
}
