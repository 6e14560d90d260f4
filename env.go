package bitcart

import (
	"fmt"
	"os"
	"strings"
)

// currenciesVariable names the enabled currencies of a platform, as a list with commas.
const currenciesVariable = "BITCART_CRYPTOS"

// ManagerFromEnv makes a manager for the currencies that the platform's environment names:
// BITCART_CRYPTOS, a list such as "btc,ltc,eth", and for each <COIN>_HOST, <COIN>_PORT, <COIN>_LOGIN
// and <COIN>_PASSWORD as WithEnv reads them. It has no wallets: chain-wide events are heard, and
// AddWallet adds wallets. opts are those of NewAPIManager. Without a currency it is ErrNoCurrencies,
// with an unknown one ErrUnsupportedCurrency.
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
