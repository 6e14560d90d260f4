package bitcart_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// The ways of giving an option.
var optionPlaces = map[string]func(bitcart.Option) error{
	"coin": func(o bitcart.Option) error { _, err := bitcart.NewCoin("BTC", o); return err },
	"manager": func(o bitcart.Option) error {
		_, err := bitcart.NewAPIManager(map[string][]string{"BTC": nil}, o)
		return err
	},
	"dispatcher": func(o bitcart.Option) error { _, err := bitcart.NewDispatcher(o); return err },
	"currency": func(o bitcart.Option) error {
		_, err := bitcart.NewAPIManager(nil, bitcart.WithCurrency("BTC", o))
		return err
	},
	"load": func(o bitcart.Option) error {
		m, err := bitcart.NewAPIManager(nil)
		if err == nil {
			_, err = m.LoadWallet("BTC", bitcart.Wallet{Xpub: "x"}, o)
		}
		return err
	},
	"add": func(o bitcart.Option) error {
		m, err := bitcart.NewAPIManager(nil)
		if err == nil {
			_, err = m.AddWallet("BTC", bitcart.Wallet{Xpub: "x"}, o)
		}
		return err
	},
}

func TestWhichOptionFitsWhere(t *testing.T) {
	tests := []struct {
		name   string
		option bitcart.Option
		fits   string // the places, as far as the contract names them
		not    string
	}{
		{"WithWallet", bitcart.WithWallet(bitcart.Wallet{Xpub: "y"}), "coin", "manager dispatcher currency add load"},
		{"WithXpub", bitcart.WithXpub("y"), "coin", "manager dispatcher currency add load"},
		{"WithURL", bitcart.WithURL("http://h:1"), "coin currency add load", "dispatcher"},
		{"WithBasicAuth", bitcart.WithBasicAuth("u", "p"), "coin manager currency add load", "dispatcher"},
		{"WithEnv", bitcart.WithEnv(), "coin manager currency add load", "dispatcher"},
		{"WithTransport", bitcart.WithTransport(&http.Transport{}), "coin manager currency", "dispatcher"},
		{"WithProxy", bitcart.WithProxy("http://p:1"), "coin manager currency", "dispatcher"},
		{"WithTLSConfig", bitcart.WithTLSConfig(&tls.Config{}), "coin manager currency", "dispatcher"},
		{"WithHTTPClient", bitcart.WithHTTPClient(&http.Client{}), "coin manager currency", "dispatcher"},
		{"WithLogger", bitcart.WithLogger(slog.New(slog.DiscardHandler)), "coin manager dispatcher", ""},
		{"WithHooks", bitcart.WithHooks(bitcart.Hooks{}), "coin manager dispatcher", ""},
		{"WithStream", bitcart.WithStream(bitcart.StreamConfig{}), "coin manager dispatcher", ""},
		{"WithAllWallets", bitcart.WithAllWallets(), "manager currency", "coin dispatcher add load"},
		{"WithCurrency", bitcart.WithCurrency("LTC"), "manager", "coin dispatcher currency add load"},
	}
	for _, tt := range tests {
		for _, place := range strings.Fields(tt.fits) {
			t.Run(tt.name+" fits "+place, func(t *testing.T) {
				require.NoError(t, optionPlaces[place](tt.option))
			})
		}
		for _, place := range strings.Fields(tt.not) {
			t.Run(tt.name+" does not fit "+place, func(t *testing.T) {
				err := optionPlaces[place](tt.option)
				require.ErrorContains(t, err, "bitcart: ")
				require.Contains(t, wrongOptions(err), tt.name)
			})
		}
	}
}

func TestWrongOptions(t *testing.T) {
	tests := []struct {
		name   string
		want   string
		option bitcart.Option
	}{
		{"no URL", "WithURL", bitcart.WithURL("")},
		{"URL without scheme", "WithURL", bitcart.WithURL("localhost:5000")},
		{"URL without scheme, with slashes", "WithURL", bitcart.WithURL("//localhost:5000")},
		{"URL without host", "WithURL", bitcart.WithURL("http://")},
		{"URL with only a port", "WithURL", bitcart.WithURL("http://:5000")},
		{"URL of a file", "WithURL", bitcart.WithURL("file:///etc/passwd")},
		{"URL of another scheme", "WithURL", bitcart.WithURL("ftp://h")},
		{"opaque URL", "WithURL", bitcart.WithURL("http:h:5000")},
		{"URL with a port out of range", "WithURL", bitcart.WithURL("http://h:65536")},
		{"URL with port 0", "WithURL", bitcart.WithURL("http://h:0")},
		{"URL with a port that is no number", "WithURL", bitcart.WithURL("http://h:abc")},
		{"URL with a bad escape", "WithURL", bitcart.WithURL("http://h:1/%zz")},
		{"URL with a control character", "WithURL", bitcart.WithURL("http://h:1/\n")},
		{"URL with a query", "WithURL", bitcart.WithURL("http://h:1/?a=b")},
		{"URL with a colon in the password", "WithURL", bitcart.WithURL("http://u:a:b@h:1")},
		{"URL with a coded colon in the user", "WithURL", bitcart.WithURL("http://u%3Ax:p@h:1")},
		{"user with colon", "WithBasicAuth", bitcart.WithBasicAuth("a:b", "p")},
		{"password with colon", "WithBasicAuth", bitcart.WithBasicAuth("u", "a:b")},
		{"user beyond Latin-1", "WithBasicAuth", bitcart.WithBasicAuth("日本", "p")},
		{"password beyond Latin-1", "WithBasicAuth", bitcart.WithBasicAuth("u", "€")},
		{"no proxy", "WithProxy", bitcart.WithProxy("")},
		{"proxy without scheme", "WithProxy", bitcart.WithProxy("proxy:3128")},
		{"proxy of another scheme", "WithProxy", bitcart.WithProxy("ftp://proxy")},
		{"proxy without host", "WithProxy", bitcart.WithProxy("http://")},
		{"proxy with a port out of range", "WithProxy", bitcart.WithProxy("http://proxy:65536")},
		{"proxy with port 0", "WithProxy", bitcart.WithProxy("socks5://proxy:0")},
		{"proxy with a control character", "WithProxy", bitcart.WithProxy("http://\x7f")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := optionPlaces["coin"](tt.option)
			var oe *bitcart.OptionError
			require.ErrorAs(t, err, &oe)
			require.Equal(t, tt.want, oe.Option)
			require.Error(t, oe.Err)
			require.ErrorContains(t, err, "bitcart: ")
			require.ErrorContains(t, err, tt.want)

			err = optionPlaces["currency"](tt.option)
			require.Contains(t, wrongOptions(err), tt.want)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// Nothing, given where something is needed, is an error or the default; it
// never panics, not later either.
func TestNilOptions(t *testing.T) {
	tests := map[string]bitcart.Option{
		"":               nil,
		"WithTransport":  bitcart.WithTransport(nil),
		"WithTLSConfig":  bitcart.WithTLSConfig(nil),
		"WithHTTPClient": bitcart.WithHTTPClient(nil),
		"WithLogger":     bitcart.WithLogger(nil),
	}
	for name, option := range tests {
		t.Run("nil "+name, func(t *testing.T) {
			for place, give := range optionPlaces {
				var err error
				require.NotPanics(t, func() { err = give(option) }, place)
				if err != nil {
					require.NotEmpty(t, wrongOptions(err), "%s: %v", place, err)
				}
			}
			c, err := bitcart.NewCoin("BTC", option)
			if err != nil {
				return
			}
			var ran []string
			c.On("e", noted(&ran, "h"))
			require.NoError(t, c.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"e"},{"event":"x"},1]`)))
			require.Equal(t, []string{"h:e"}, ran)
		})
	}
}

func TestSeveralWrongOptionsAreAllReported(t *testing.T) {
	wrong := []bitcart.Option{
		bitcart.WithURL("ftp://h"), bitcart.WithBasicAuth("a:b", "p"), bitcart.WithProxy("nothing"),
		bitcart.WithStream(bitcart.StreamConfig{Workers: -1}),
	}
	want := []string{"WithURL", "WithBasicAuth", "WithProxy", "WithStream"}

	_, err := bitcart.NewCoin("BTC", wrong...)
	require.ElementsMatch(t, want, wrongOptions(err))
	_, err = bitcart.NewAPIManager(nil, bitcart.WithCurrency("BTC", wrong...), bitcart.WithXpub("x"))
	for _, name := range append(want, "WithXpub") {
		require.Contains(t, wrongOptions(err), name)
	}
	_, err = bitcart.NewDispatcher(bitcart.WithXpub("x"), bitcart.WithEnv())
	require.ElementsMatch(t, []string{"WithXpub", "WithEnv"}, wrongOptions(err))
}

func TestOptionErrorUnwraps(t *testing.T) {
	cause := errors.New("cause")
	err := &bitcart.OptionError{Option: "WithURL", Err: cause}
	require.ErrorIs(t, err, cause)
	require.ErrorContains(t, err, "WithURL")
	require.ErrorContains(t, err, "cause")
}

func TestConstructorsReturnNothingWithAnError(t *testing.T) {
	c, err := bitcart.NewCoin("BTC", bitcart.WithURL(""))
	require.Error(t, err)
	require.Nil(t, c)
	m, err := bitcart.NewAPIManager(nil, bitcart.WithXpub("x"))
	require.Error(t, err)
	require.Nil(t, m)
	d, err := bitcart.NewDispatcher(bitcart.WithXpub("x"))
	require.Error(t, err)
	require.Nil(t, d)
}

func TestStreamConfigIsChecked(t *testing.T) {
	fields := reflect.TypeFor[bitcart.StreamConfig]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		t.Run(name, func(t *testing.T) {
			var c bitcart.StreamConfig
			field := reflect.ValueOf(&c).Elem().Field(i)
			field.SetInt(-1)
			_, err := bitcart.NewCoin("BTC", bitcart.WithStream(c))
			if name == "DequeCap" {
				require.NoError(t, err, "-1 turns recovery off")
				field.SetInt(-2)
				_, err = bitcart.NewCoin("BTC", bitcart.WithStream(c))
			}
			require.Equal(t, []string{"WithStream"}, wrongOptions(err))

			_, err = bitcart.NewAPIManager(nil, bitcart.WithStream(c))
			require.Equal(t, []string{"WithStream"}, wrongOptions(err))
			_, err = bitcart.NewDispatcher(bitcart.WithStream(c))
			require.Equal(t, []string{"WithStream"}, wrongOptions(err))
		})
	}
	t.Run("pause that shrinks", func(t *testing.T) {
		_, err := bitcart.NewCoin("BTC", bitcart.WithStream(bitcart.StreamConfig{BackoffMin: time.Hour, BackoffMax: time.Second}))
		require.Equal(t, []string{"WithStream"}, wrongOptions(err))
	})
	t.Run("right", func(t *testing.T) {
		_, err := bitcart.NewCoin("BTC", bitcart.WithStream(bitcart.StreamConfig{
			Workers: 1, QueuePerWallet: 1, QueueBytes: 1 << 20, ReadLimit: 1 << 20,
			PingInterval: time.Second, PongTimeout: time.Second, BackoffMin: time.Second, BackoffMax: time.Second,
			DrainTimeout: time.Second, SlowHandler: time.Second, DequeCap: 5,
		}))
		require.NoError(t, err)
	})
}

func TestWithURLForms(t *testing.T) {
	tests := []struct{ name, give, shown, asked, user, password string }{
		{"plain", "http://h:5000", "http://h:5000", "http://h:5000/", "electrum", "electrumz"},
		{"slash", "http://h:5000/", "http://h:5000", "http://h:5000/", "electrum", "electrumz"},
		{"no port", "http://h", "http://h", "http://h/", "electrum", "electrumz"},
		{"https", "https://h", "https://h", "https://h/", "electrum", "electrumz"},
		{"scheme in upper case", "HTTP://h:1", "http://h:1", "http://h:1/", "electrum", "electrumz"},
		{"IPv6", "http://[::1]:5000", "http://[::1]:5000", "http://[::1]:5000/", "electrum", "electrumz"},
		{"IPv6 with a zone", "http://[FE80::1%25Eth0]:5000", "http://[fe80::1%25Eth0]:5000", "http://[fe80::1%25Eth0]:5000/", "electrum", "electrumz"},
		{"host in upper case", "http://Host:5000", "http://host:5000", "http://host:5000/", "electrum", "electrumz"},
		{"prefix", "http://h:1/btc", "http://h:1/btc", "http://h:1/btc", "electrum", "electrumz"},
		{"long prefix", "http://h:1/a/b/", "http://h:1/a/b", "http://h:1/a/b", "electrum", "electrumz"},
		{"prefix with escapes", "http://h:1/a%2Fb", "http://h:1/a%2Fb", "http://h:1/a%2Fb", "electrum", "electrumz"},
		{"credentials", "http://me:secret@h:1", "http://h:1", "http://h:1/", "me", "secret"},
		{"coded credentials", "http://m%40e:s%2Ft@h:1/p", "http://h:1/p", "http://h:1/p", "m@e", "s/t"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked []*http.Request
			c := makeCoin(t, "BTC", bitcart.WithURL(tt.give), bitcart.WithHTTPClient(answering(`{"jsonrpc":"2.0","id":1,"result":1}`, &asked)))
			require.Equal(t, tt.shown, strings.TrimRight(c.URL(), "/"))
			require.NoError(t, c.Call(t.Context(), nil, "getinfo"))
			require.Len(t, asked, 1)
			require.Equal(t, strings.TrimRight(tt.asked, "/"), strings.TrimRight(asked[0].URL.String(), "/"))
			requireAuth(t, asked[0], tt.user, tt.password)
		})
	}
}

func requireAuth(t *testing.T, r *http.Request, user, password string) {
	t.Helper()
	gotUser, gotPassword, ok := r.BasicAuth()
	require.True(t, ok)
	require.Equal(t, user, gotUser)
	require.Equal(t, password, gotPassword)
}

func TestBasicAuthOnTheWire(t *testing.T) {
	tests := []struct{ name, user, password, wireUser, wirePassword string }{
		{"plain", "u", "p", "u", "p"},
		{"empty user", "", "p", "", "p"},
		{"empty password", "u", "", "u", ""},
		{"both empty, as the websocket sends them", "", "", "", ""},
		{"spaces", "a b", " ", "a b", " "},
		{"Latin-1, which is what the daemon reads", "jörg", "pässwörd", "j\xf6rg", "p\xe4ssw\xf6rd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked []*http.Request
			c := makeCoin(t, "BTC", bitcart.WithBasicAuth(tt.user, tt.password),
				bitcart.WithHTTPClient(answering(`{"jsonrpc":"2.0","id":1,"result":1}`, &asked)))
			require.NoError(t, c.Call(t.Context(), nil, "getinfo"))
			requireAuth(t, asked[0], tt.wireUser, tt.wirePassword)
		})
	}
}

func TestWithEnv(t *testing.T) {
	tests := []struct {
		name                string
		env                 map[string]string
		options             []bitcart.Option
		url, user, password string
	}{
		{"nothing set", nil, nil, "http://localhost:5001", "electrum", "electrumz"},
		{"all set", map[string]string{"HOST": "h", "PORT": "77", "LOGIN": "u", "PASSWORD": "p"}, nil, "http://h:77", "u", "p"},
		{"host", map[string]string{"HOST": "h"}, nil, "http://h:5001", "electrum", "electrumz"},
		{"port", map[string]string{"PORT": "77"}, nil, "http://localhost:77", "electrum", "electrumz"},
		{"password", map[string]string{"PASSWORD": "p"}, nil, "http://localhost:5001", "electrum", "p"},
		{"login", map[string]string{"LOGIN": "u"}, nil, "http://localhost:5001", "u", "electrumz"},
		{
			"WithURL wins", map[string]string{"HOST": "h", "PORT": "77", "LOGIN": "u", "PASSWORD": "p"},
			[]bitcart.Option{bitcart.WithURL("http://other:1")}, "http://other:1", "u", "p",
		},
		{
			"WithURL with credentials wins", map[string]string{"HOST": "h", "LOGIN": "u", "PASSWORD": "p"},
			[]bitcart.Option{bitcart.WithURL("http://a:b@other:1")}, "http://other:1", "a", "b",
		},
		{
			"WithBasicAuth wins", map[string]string{"HOST": "h", "LOGIN": "u", "PASSWORD": "p"},
			[]bitcart.Option{bitcart.WithBasicAuth("a", "b")}, "http://h:5001", "a", "b",
		},
		{
			"WithURL wins over a port that is wrong for it", map[string]string{"HOST": "::1", "PORT": "77"},
			[]bitcart.Option{bitcart.WithURL("http://other:1")}, "http://other:1", "electrum", "electrumz",
		},
		{"IPv6", map[string]string{"HOST": "::1"}, nil, "http://[::1]:5001", "electrum", "electrumz"},
		{"IPv6 with a zone", map[string]string{"HOST": "fe80::1%Eth0"}, nil, "http://[fe80::1%25Eth0]:5001", "electrum", "electrumz"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv("LTC_"+name, value)
			}
			// Another coin's variables are of no interest.
			t.Setenv("BTC_HOST", "wrong")
			t.Setenv("BTC_PASSWORD", "wrong")
			var asked []*http.Request
			client := bitcart.WithHTTPClient(answering(`{"jsonrpc":"2.0","id":1,"result":1}`, &asked))
			first := append([]bitcart.Option{bitcart.WithEnv(), client}, tt.options...)
			last := append(append([]bitcart.Option{client}, tt.options...), bitcart.WithEnv())
			for _, options := range [][]bitcart.Option{first, last} {
				c := makeCoin(t, "ltc", options...)
				require.Equal(t, tt.url, c.URL())
				require.NoError(t, c.Call(t.Context(), nil, "getinfo"))
				requireAuth(t, asked[len(asked)-1], tt.user, tt.password)
			}
		})
	}
}

func TestWithEnvIsNotReadWithoutIt(t *testing.T) {
	t.Setenv("BTC_HOST", "h")
	t.Setenv("BTC_PORT", "77")
	require.Equal(t, "http://localhost:5000", makeCoin(t, "BTC").URL())
}

func TestWithEnvErrors(t *testing.T) {
	tests := []struct{ name, variable, value string }{
		{"port that is no number", "PORT", "abc"},
		{"port 0", "PORT", "0"},
		{"negative port", "PORT", "-1"},
		{"port out of range", "PORT", "70000"},
		{"login with colon", "LOGIN", "a:b"},
		{"password with colon", "PASSWORD", "a:b"},
		{"password beyond Latin-1", "PASSWORD", "€"},
		{"host with a space", "HOST", "a b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("ETH_"+tt.variable, tt.value)
			_, err := bitcart.NewCoin("ETH", bitcart.WithEnv())
			require.Equal(t, []string{"WithEnv"}, wrongOptions(err), "%v", err)
			_, err = bitcart.NewAPIManager(map[string][]string{"ETH": nil}, bitcart.WithEnv())
			require.Equal(t, []string{"WithEnv"}, wrongOptions(err), "%v", err)
			_, err = bitcart.NewCoin("BTC", bitcart.WithEnv())
			require.NoError(t, err, "another coin's variables are not read")
		})
	}
}

func TestWithCurrency(t *testing.T) {
	t.Setenv("ETH_PORT", "88")
	m := makeManager(t, map[string][]string{"BTC": {"xpub1"}},
		bitcart.WithCurrency("ltc", bitcart.WithURL("http://ltc:1/p")),
		bitcart.WithCurrency("BTC", bitcart.WithURL("http://btc:2")),
		bitcart.WithCurrency("ETH", bitcart.WithEnv()),
		bitcart.WithCurrency("GRS"),
	)
	urls := map[string]string{}
	for _, s := range m.Stats() {
		urls[s.Currency] = s.URL
	}
	require.Equal(t, map[string]string{
		"LTC": "http://ltc:1/p", "BTC": "http://btc:2", "ETH": "http://localhost:88", "GRS": "http://localhost:5010",
	}, urls)
	btc, ok := m.Coin("BTC", "xpub1")
	require.True(t, ok)
	require.Equal(t, "http://btc:2", btc.URL())

	for _, currency := range []string{"ltc", "LTC"} {
		added, err := m.AddWallet(currency, bitcart.Wallet{Xpub: "wallet of " + currency})
		require.NoError(t, err)
		require.Equal(t, "http://ltc:1/p", added.URL())
	}
	loaded, err := m.LoadWallet("LTC", bitcart.Wallet{Xpub: "z"})
	require.NoError(t, err)
	require.Equal(t, "http://ltc:1/p", loaded.URL())
}

func TestWithCurrencyOverridesTheManager(t *testing.T) {
	var asked []*http.Request
	m := makeManager(t, map[string][]string{"BTC": {"x"}, "LTC": {"y"}},
		bitcart.WithHTTPClient(answering(`{"jsonrpc":"2.0","id":1,"result":1}`, &asked)),
		bitcart.WithCurrency("LTC", bitcart.WithBasicAuth("ltc", "2")),
		bitcart.WithBasicAuth("all", "1"),
	)
	btc, _ := m.Coin("BTC", "x")
	ltc, _ := m.Coin("LTC", "y")
	require.NoError(t, btc.Call(t.Context(), nil, "getinfo"))
	require.NoError(t, ltc.Call(t.Context(), nil, "getinfo"))
	requireAuth(t, asked[0], "all", "1")
	requireAuth(t, asked[1], "ltc", "2")
}

func TestInjectedPartsAreNotChanged(t *testing.T) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "mine"}}
	config := &tls.Config{ServerName: "other"}
	_, err := bitcart.NewCoin("BTC", bitcart.WithTransport(transport), bitcart.WithTLSConfig(config), bitcart.WithProxy("http://p:1"))
	require.NoError(t, err)
	require.Nil(t, transport.Proxy)
	require.Equal(t, "mine", transport.TLSClientConfig.ServerName)
	require.Empty(t, transport.TLSClientConfig.NextProtos)
	require.Empty(t, config.NextProtos)
}

func TestWithProxyForms(t *testing.T) {
	for _, proxy := range []string{"http://p:3128", "https://p", "socks5://p:1080", "socks5h://p:1080", "http://u:p@p:1"} {
		t.Run(proxy, func(t *testing.T) {
			require.NoError(t, optionPlaces["coin"](bitcart.WithProxy(proxy)))
		})
	}
}
