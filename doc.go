// Package bitcart is a client of Bitcart daemons: the processes that watch
// wallets of Bitcoin, Litecoin, Ethereum and other coins and accept payments.
// A service uses it to make calls to a daemon and to receive an event for each
// payment, transaction and block.
//
// # A wallet and its events
//
// A [Coin] is one wallet on one daemon. Register handlers, then start a
// stream, which blocks until its context ends:
//
//	coin, err := bitcart.NewCoin("BTC", bitcart.WithXpub(xpub))
//	...
//	bitcart.On(coin, func(ctx context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
//		return credit(ctx, p.RequestKey(), p.Status)
//	})
//	err = coin.StartWebsocket(ctx)
//
// [On] registers a handler with a typed payload. The methods On and
// AddEventHandler register a plain [Handler], which reads what it needs with
// [PayloadOf], [Event.Fields] or [Event.Decode]. Each event has one handler,
// and one handler may serve several events.
//
// Before you show an address to a payer, call [Coin.WaitArmed]: it waits until
// a running stream watches the wallet.
//
// # Ways to receive events
//
// [Coin.StartWebsocket] is the one for services. [Coin.Events] is the same as
// an iterator. [Coin.PollUpdates] asks the daemon at an interval.
// [Coin.ProcessUpdates] takes updates from any other source: a message queue,
// a file, a test. All of them end in the same dispatcher.
//
// # Many wallets
//
// An [APIManager] serves any number of wallets of any number of currencies over
// one connection per daemon, with one set of handlers; [Event].Coin is the
// wallet's Coin. Wallets may be added and removed while it streams:
//
//	manager, err := bitcart.NewAPIManager(map[string][]string{"BTC": {xpub1, xpub2}, "LTC": {xpub3}})
//	...
//	bitcart.On(manager, func(ctx context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
//		return credit(ctx, ev.Coin, p)
//	})
//	err = manager.StartWebsocket(ctx)
//
// Each currency has a daemon of its own. Give its URL inside [WithCurrency]:
//
//	bitcart.WithCurrency("LTC", bitcart.WithURL("http://litecoin.internal:5001"))
//
// # What a handler may do
//
// Handlers of one wallet run one after another, in the order of its events;
// handlers of different wallets run at the same time. A handler may block and
// make calls: only its own wallet waits. If it returns an error, the error is
// reported and the next event follows. If it returns [Retry], it gets the same
// event again. A panic counts as an error. Credit by payment request or
// transaction, never per event: daemons repeat themselves, and [Event].Repeat
// does not catch all repeats.
//
// # What can be missed
//
// A daemon does not number its events, does not resend what a client has
// missed, and keeps only the last 100 updates of a wallet, in memory. A
// websocket stream reads those after every connect. After the first one they
// may be events that an earlier stream, or the process before a restart, has
// handled already. Until then a wallet's live events wait, so that they keep
// their order; a manager's chain-wide ones wait for one wallet's queue or, after
// its first connect, for all of them. Where events may be missing all the same,
// the stream calls [Hooks].OnGap: a service then reads the requests that it
// waits for by RPC.
//
// # Payment requests and payments
//
// The methods of a Coin hide what differs between daemons. [Coin.AddRequest],
// [Coin.GetRequest] and [Coin.ListRequests] serve payment requests,
// [Coin.AddInvoice] and [Coin.LNPay] lightning; [Coin.Balance], [Coin.History]
// and [Coin.GetTx] show what a wallet holds. What the daemons of a currency do
// not support is an [UnsupportedError], without any call.
//
// [Coin.PayTo], [Coin.PayToMany] and [Coin.Transfer] sign a transaction first
// and broadcast it in a second call:
//
//	payout, err := coin.PayTo(ctx, address, decimal.RequireFromString("0.25"))
//	var unfinished *bitcart.BroadcastError
//	switch {
//	case errors.As(err, &unfinished):
//		// Signed, and perhaps sent: store unfinished.RawTx, and repeat
//		// coin.Broadcast until it returns nil or ErrAlreadyBroadcast. Never
//		// call PayTo again for it.
//	case err != nil:
//		// Nothing was paid.
//	default:
//		// payout.TxID is on its way.
//	}
//
// # Calls
//
// [Coin.Call] calls any method of the daemon. An error that the daemon answers
// is a *[RPCError]. Its code means different things on different daemons, so
// the library matches it by the daemon's own name for it:
// errors.Is(err, ErrRequestNotFound) works for every currency. A call without
// an answer is a *[CallError], and errors.Is(err, ErrMaybeSent) says whether
// the request may have arrived. The library never sends a call twice.
//
// # Money and secrets
//
// Amounts are decimal.Decimal, in coins or tokens, and travel as text. A
// wallet's key may be a seed: no type of this package shows it, or a password,
// in a log, an error or a format verb.
//
// # References to the protocol
//
// "Protocol section N" in a comment refers to the maintainers' notes on what
// running daemons do; package bitcarttest behaves like them.
//
// # Testing
//
// Package bitcarttest is a daemon that runs inside a test.
package bitcart
