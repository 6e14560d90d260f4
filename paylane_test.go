package bitcart

import (
	"context"
	"testing"

	testify "github.com/stretchr/testify/require" // the package has a require of its own
)

func TestPayLanesAreForgotten(t *testing.T) {
	t.Parallel()
	lanes := payLanes{lanes: map[laneKey]*payLane{}}
	coins := fuzzCoins(t)
	first, leaveFirst := lanes.join(coins[0])
	same, leaveSame := lanes.join(coins[0])
	other, leaveOther := lanes.join(coins[1])
	testify.Same(t, first, same)
	testify.NotSame(t, first, other)
	testify.NoError(t, first.take(t.Context(), "payto"))
	testify.NoError(t, other.take(t.Context(), "payto"))
	first.give()
	other.give()
	leaveFirst()
	leaveOther()
	testify.Len(t, lanes.lanes, 1)
	leaveSame()
	testify.Empty(t, lanes.lanes)
}

// A URL with and without its last slash is one daemon, which knows a wallet once.
func TestPayLaneOfOneDaemon(t *testing.T) {
	t.Parallel()
	lanes := payLanes{lanes: map[laneKey]*payLane{}}
	laneOf := func(url string, w Wallet) *payLane {
		coin, err := NewCoin("ETH", WithURL(url), WithWallet(w))
		testify.NoError(t, err)
		lane, leave := lanes.join(coin)
		t.Cleanup(leave)
		return lane
	}
	coins := laneOf("http://h:1/p", Wallet{Xpub: "a"})
	testify.Same(t, coins, laneOf("http://h:1/p/", Wallet{Xpub: "a"}))
	testify.Same(t, coins, laneOf("http://h:1/p", Wallet{Xpub: "a", Contract: "c"}), "a token's wallet pays from the same account")
	testify.Same(t, laneOf("https://h/", Wallet{Xpub: "a"}), laneOf("https://H:443", Wallet{Xpub: "a"}))
	testify.NotSame(t, laneOf("https://h", Wallet{Xpub: "a"}), laneOf("http://h", Wallet{Xpub: "a"}))
	testify.NotSame(t, laneOf("http://h", Wallet{Xpub: "a"}), laneOf("http://localhost", Wallet{Xpub: "a"}))
	here := laneOf("http://localhost:5000", Wallet{Xpub: "a"})
	for _, name := range []string{"127.0.0.1", "127.8.0.1", "LOCALHOST", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"} {
		testify.Same(t, here, laneOf("http://"+name+":5000/", Wallet{Xpub: "a"}), name)
	}
	testify.Same(t, laneOf("http://[2001:db8::1]:5000", Wallet{Xpub: "a"}), laneOf("http://[2001:DB8:0::0:1]:5000", Wallet{Xpub: "a"}))
	testify.NotSame(t, coins, laneOf("http://h:1/q", Wallet{Xpub: "a"}))
	testify.NotSame(t, coins, laneOf("http://h:1/p", Wallet{Xpub: "b"}))
}

func TestPayLaneWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	lane := &payLane{turn: make(chan struct{}, 1)}
	testify.NoError(t, lane.take(t.Context(), "payto"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := lane.take(ctx, "payto")
	testify.ErrorIs(t, err, context.Canceled)
	testify.NotErrorIs(t, err, ErrMaybeSent)
}
