package bitcart

import (
	"fmt"
	"os"
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
