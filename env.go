package bitcart

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// currenciesVariable names the enabled currencies of a platform, as a list with commas.
const currenciesVariable = "BITCART_CRYPTOS"

// ManagerFromEnv returns a manager for the currencies in the platform's environment variable
// BITCART_CRYPTOS, a list such as "btc,ltc,eth". It reads <COIN>_HOST, <COIN>_PORT, <COIN>_LOGIN
// and <COIN>_PASSWORD for each of them, as WithEnv does. The manager has no wallets: it receives
// chain-wide events until AddWallet adds some. opts are those of NewAPIManager. Without a currency
// the error is ErrNoCurrencies, with an unknown one ErrUnsupportedCurrency.
func ManagerFromEnv(opts ...Option) (*APIManager, error) {
	wallets := make(map[string][]string)
	for symbol := range strings.SplitSeq(os.Getenv(currenciesVariable), ",") {
		if symbol = strings.ToUpper(strings.TrimSpace(symbol)); symbol != "" {
			wallets[symbol] = nil
		}
	}
	if len(wallets) == 0 {
		return nil, fmt.Errorf("%w: %s names none", ErrNoCurrencies, currenciesVariable)
	}
	return NewAPIManager(wallets, append([]Option{WithEnv()}, opts...)...)
}

// environ fills in what WithEnv asks for.
func (s *settings) environ(cur *currency) error {
	if !s.env {
		return nil
	}
	if err := s.environURL(cur); err != nil {
		return &OptionError{"WithEnv", errors.New(cur.Symbol + "_HOST, " + cur.Symbol + "_PORT: " + err.Error())}
	}
	if err := s.environAuth(cur.Symbol); err != nil {
		return &OptionError{"WithEnv", err}
	}
	return nil
}

// environURL also takes credentials that the host has in front; those of WithBasicAuth and of the
// variables win.
func (s *settings) environURL(cur *currency) error {
	host, port := os.Getenv(cur.Symbol+"_HOST"), os.Getenv(cur.Symbol+"_PORT")
	if s.baseURL != nil || host == "" && port == "" {
		return nil
	}
	u, err := envURL(host, port, cur.Port)
	if err != nil {
		return err
	}
	s.baseURL = u
	if s.hasAuth || anySet(cur.Symbol+"_LOGIN", cur.Symbol+"_PASSWORD") {
		u.User = nil
	}
	return s.takeAuth(u)
}

func (s *settings) environAuth(symbol string) error {
	if s.hasAuth || !anySet(symbol+"_LOGIN", symbol+"_PASSWORD") {
		return nil
	}
	return s.setAuth(envOr(symbol+"_LOGIN", defaultUser), envOr(symbol+"_PASSWORD", defaultPassword))
}

func anySet(names ...string) bool {
	for _, name := range names {
		if _, set := os.LookupEnv(name); set {
			return true
		}
	}
	return false
}

func envOr(name, otherwise string) string {
	if value, set := os.LookupEnv(name); set {
		return value
	}
	return otherwise
}

func envURL(host, port string, defaultPort int) (*url.URL, error) {
	if host == "" {
		host = defaultHost
	}
	if port == "" {
		port = strconv.Itoa(defaultPort)
	}
	if !strings.Contains(host, "://") {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
			host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
		}
		host = "http://" + host
	}
	u, err := parseBase(host)
	if err != nil {
		return nil, err
	}
	if u.Port() == "" {
		u.Host += ":" + port
	}
	return parseBase(u.String())
}
