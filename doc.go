// Package bitcart is a client of Bitcart daemons: the processes that watch
// wallets of Bitcoin, Litecoin, Ethereum and others and accept payments. A
// service imports it to make calls to a daemon and to hear that a payment, a
// transaction or a block has come.
//
// # A wallet and its events
//
// A [Coin] is one wallet on one daemon. Register handlers, then start a
// stream; it blocks until its context ends:
//
//	coin, err := bitcart.NewCoin("BTC", bitcart.WithXpub(xpub))
//	...
//	bitcart.On(coin, func(ctx context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
//		return credit(ctx, p.RequestKey(), p.Status)
//	})
//	err = coin.StartWebsocket(ctx)
//
// [On] registers a handler with a typed payload; the methods On and
// AddEventHandler take a plain [Handler], which reads what it needs by
// [PayloadOf], [Event.Fields] or [Event.Decode]. Each event has one handler,
// and one handler may serve several events.
//
// Before an address is shown to a payer, [Coin.WaitArmed] says that the
// daemon watches the wallet.
//
// # Ways to hear
//
// [Coin.StartWebsocket] is the one for services. [Coin.Events] is the same in
// pull form, as an iterator. [Coin.PollUpdates] asks the daemon again and
// again. [Coin.ProcessUpdates] takes updates from anywhere else: a message
// queue, a file, a test. All of them end in the same dispatcher.
//
// # Many wallets
//
// An [APIManager] serves any number of wallets of any number of currencies over
// one connection per daemon, with one set of handlers; [Event].Coin is the
// wallet's Coin. Wallets may be added and removed while it streams.
//
// # What a handler may do
//
// Handlers of one wallet run one after another, in the order of its events;
// handlers of different wallets run at the same time. A handler may block and
// make calls: only its own wallet waits. Returning an error reports it and goes
// on; returning [Retry] keeps the event and hands it over again. A panic is an
// error. Credit by payment request or transaction, never per event: daemons
// repeat facts, and [Event].Repeat does not catch all of them.
//
// # What can be missed
//
// A daemon numbers nothing, does not send again what a client has missed, and
// keeps the last 100 updates of a wallet in memory. Where events may be missing, [Hooks].OnGap says so, and a
// service reads what it waits for by RPC.
//
// # Payment requests and payments
//
// The methods of a Coin hide what differs between daemons. [Coin.AddRequest],
// [Coin.GetRequest] and [Coin.ListRequests] are about payment requests,
// [Coin.AddInvoice] and [Coin.LNPay] about lightning, [Coin.Balance],
// [Coin.History] and [Coin.GetTx] about what a wallet holds. What the daemons of
// a currency lack is an [UnsupportedError] without any call.
//
// [Coin.PayTo], [Coin.PayToMany] and [Coin.Transfer] sign first and broadcast
// then. After an error of any type but *[BroadcastError] nothing was paid; after
// that one go on with [Coin.Broadcast] and never pay again.
//
// # Calls
//
// [Coin.Call] makes any call of the daemon. Errors that the daemon answers are
// *[RPCError] and match the library's errors by the daemon's own catalogue:
// errors.Is(err, ErrRequestNotFound) is right for every currency although the
// numbers differ. A call that got no answer is a *[CallError], and
// errors.Is(err, ErrMaybeSent) says whether the request may have arrived. The
// library never sends a call twice.
//
// # Money and secrets
//
// Amounts are decimal.Decimal in coins or tokens and text on the wire. A
// wallet's key may be a seed: no type of this package shows it, or a password,
// in a log, an error or a format verb.
//
// # Testing
//
// Package bitcarttest has a daemon that runs inside a test.
package bitcart
