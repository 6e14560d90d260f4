package blockio_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
)

func prefixes(texts ...string) []netip.Prefix {
	list := []netip.Prefix{}
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func TestSourceAddrs(t *testing.T) {
	const ours, proxy, other = "45.56.79.5", "10.0.0.1", "203.0.113.9"
	proxies := prefixes("10.0.0.0/8", "fd00::/8")
	for _, test := range []struct {
		name      string
		addrs     []netip.Prefix
		proxies   []netip.Prefix
		peer      string
		forwarded []string
		ok        bool
	}{
		{"published", nil, nil, ours + ":1234", nil, true},
		{"published IPv6", nil, nil, "[2600:3c00::f03c:91ff:fe33:2e14]:1234", nil, true},
		{"published, spelled as IPv6", nil, nil, "[::ffff:45.56.79.5]:1234", nil, true},
		{"next to a published one", nil, nil, "45.56.79.6:1234", nil, false},
		{"next to a published IPv6", nil, nil, "[2600:3c00::f03c:91ff:fe33:2e15]:1234", nil, false},
		{"replaced list", prefixes("203.0.113.0/24"), nil, other + ":1", nil, true},
		{"replaced list has no published ones", prefixes("203.0.113.0/24"), nil, ours + ":1", nil, false},
		{"replaced list, spelled as IPv6", prefixes("::ffff:203.0.113.0/120"), nil, other + ":1", nil, true},
		{"empty list", prefixes(), nil, ours + ":1", nil, false},
		{"with a zone", prefixes("fe80::/10"), nil, "[fe80::1%eth0]:1", nil, true},
		{"no port", nil, nil, ours, nil, true},
		{"unix socket", nil, nil, "@", nil, false},
		{"nothing", nil, nil, "", nil, false},

		{"forwarded by nobody we know", nil, nil, other + ":1", []string{ours}, false},
		{"forwarded, and ours by itself", nil, nil, ours + ":1", []string{other}, true},
		{"forwarded by a proxy", nil, proxies, proxy + ":1", []string{ours}, true},
		{"forwarded by an IPv6 proxy", nil, proxies, "[fd00::1]:1", []string{"2600:3c00::f03c:91ff:fe33:2e14"}, true},
		{"forwarded with ports", nil, proxies, proxy + ":1", []string{ours + ":999"}, true},
		{"forwarded with brackets", nil, proxies, proxy + ":1", []string{"[2600:3c00::f03c:91ff:fe33:2e14]:9, [fd00::2]"}, true},
		{"forwarded by two proxies", nil, proxies, proxy + ":1", []string{ours + ", 10.9.9.9"}, true},
		{"in two headers", nil, proxies, proxy + ":1", []string{ours, "10.9.9.9"}, true},
		{"claimed on the left", nil, proxies, proxy + ":1", []string{ours + ", " + other}, false},
		{"claimed in a header before", nil, proxies, proxy + ":1", []string{ours, other}, false},
		{"claimed proxies on the left", nil, proxies, proxy + ":1", []string{ours + ",10.1.1.1," + other + ",10.2.2.2"}, false},
		{"junk on the left of ours", nil, proxies, proxy + ":1", []string{"unknown, " + ours}, true},
		{"junk on the right", nil, proxies, proxy + ":1", []string{ours + ", unknown"}, false},
		{"empty on the right", nil, proxies, proxy + ":1", []string{ours + ", "}, false},
		{"proxies only", nil, proxies, proxy + ":1", []string{"10.1.1.1, 10.2.2.2"}, false},
		{"proxy by itself", nil, proxies, proxy + ":1", nil, false},
		{"proxy with an empty header", nil, proxies, proxy + ":1", []string{""}, false},
		{"proxy that may send itself", prefixes("10.0.0.1/32"), proxies, proxy + ":1", nil, true},
		{"peer behind a proxy that is not listed", nil, proxies, other + ":1", []string{ours + ", 10.0.0.1"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := hook(addressBody)
			r.RemoteAddr = test.peer
			for _, f := range test.forwarded {
				r.Header.Add("X-Forwarded-For", f)
			}
			proof, err := blockio.SourceAddrs(test.addrs, test.proxies).Verify(t.Context(), r, nil)
			requireProof(t, test.ok, blockio.SourceOnly, proof, err)
		})
	}
}

// "All notifications will be issued using HTTP/S requests through specific IP
// addresses", and the list as of 3 August 2020.
func TestSeedPublishedAddrs(t *testing.T) {
	list := blockio.PublishedAddrs()
	require.Equal(t, prefixes("45.56.79.5/32", "45.56.123.170/32", "45.33.20.161/32", "45.33.4.167/32",
		"2600:3c00::f03c:91ff:fe33:2e14/128", "2600:3c00::f03c:91ff:fe89:bb9b/128",
		"2600:3c00::f03c:91ff:fe33:d082/128", "2600:3c00::f03c:92ff:fe5e:4219/128"), list)
	v := blockio.SourceAddrs(nil, nil)
	for _, p := range list {
		r := hook("")
		r.RemoteAddr = netip.AddrPortFrom(p.Addr(), 40000).String()
		proof, err := v.Verify(t.Context(), r, nil)
		requireProof(t, true, blockio.SourceOnly, proof, err)
	}
	list[0] = netip.MustParsePrefix("0.0.0.0/0")
	require.NotEqual(t, list[0], blockio.PublishedAddrs()[0], "a copy")
}

// TestSourceAddrsAreCopied: changing the lists later changes nothing.
func TestSourceAddrsAreCopied(t *testing.T) {
	addrs := prefixes("45.56.79.5/32")
	v := blockio.SourceAddrs(addrs, nil)
	addrs[0] = netip.MustParsePrefix("0.0.0.0/0")
	r := hook("")
	r.RemoteAddr = "203.0.113.9:1"
	_, err := v.Verify(t.Context(), r, nil)
	require.Error(t, err)
}

// FuzzSourceAddrs: whatever stands in the header, a sender that is no proxy
// and not listed is refused, and so is one that a proxy names on the right.
func FuzzSourceAddrs(f *testing.F) {
	f.Add("45.56.79.5")
	f.Add("45.56.79.5, [::1]:80")
	f.Add(",, ,\x00%")
	f.Fuzz(func(t *testing.T, header string) {
		v := blockio.SourceAddrs(nil, prefixes("10.0.0.0/8"))
		r := hook("")
		r.RemoteAddr = "203.0.113.9:1"
		r.Header["X-Forwarded-For"] = []string{header}
		_, err := v.Verify(t.Context(), r, nil)
		require.Error(t, err)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{header, "203.0.113.9"}
		_, err = v.Verify(t.Context(), r, nil)
		require.Error(t, err)
	})
}
