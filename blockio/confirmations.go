package blockio

import (
	"slices"
	"strings"
)

// confirmationSteps: at which numbers of confirmations the service sends the
// event of a transaction and of a block.
type confirmationSteps struct{ address, block []int }

var (
	bitcoinSteps  = confirmationSteps{address: []int{0, 1, 3}, block: []int{1, 3}}
	litecoinSteps = confirmationSteps{address: []int{0, 1, 5}, block: []int{1, 5}}
	ethereumSteps = confirmationSteps{address: []int{0, 1, 10}, block: []int{1, 10}}
)

// stepsOf has the networks of the service. A testnet counts as its main
// network does.
var stepsOf = map[string]confirmationSteps{
	"BTC": bitcoinSteps, "BTCTEST": bitcoinSteps,
	"LTC": litecoinSteps, "LTCTEST": litecoinSteps,
	"ETH": ethereumSteps, "ETHTEST": ethereumSteps,
}

// AddressConfirmations returns the numbers of confirmations at which the
// service sends a transaction's EventAddress on a network ("BTC", "BTCTEST"),
// or nil for an unknown network. The service may skip one of them: do not wait
// for each.
func AddressConfirmations(network string) []int {
	return slices.Clone(stepsOf[strings.ToUpper(network)].address)
}

// BlockConfirmations returns the numbers of confirmations at which the service
// sends a block's EventNewBlocks; see [AddressConfirmations].
func BlockConfirmations(network string) []int {
	return slices.Clone(stepsOf[strings.ToUpper(network)].block)
}

func reachesLast(steps []int, confirmations int) bool {
	return len(steps) > 0 && confirmations >= steps[len(steps)-1]
}
