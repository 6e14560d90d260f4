// Package blockio is a client of a Block.io-style notification service, which
// watches addresses of Bitcoin, Ethereum, Litecoin and their testnets, also
// ones that belong to somebody else, and tells of balance changes and of new
// blocks by web hook or by web socket. What it tells becomes events of package
// bitcart: the same handlers, the same dispatcher, whatever the way.
//
// # Events
//
// Handlers are registered with a *bitcart.Dispatcher or a *bitcart.Coin, under
// the service's names and with its payloads:
//
//	var shop bitcart.Dispatcher
//	bitcart.On(&shop, func(ctx context.Context, ev *bitcart.Event, p blockio.AddressEvent) error {
//		if !p.Final() || !p.BalanceChange.IsPositive() {
//			return nil // told again with more confirmations; or the address has paid
//		}
//		return credit(ctx, p.Network, p.TxID, p.Address, p.BalanceChange) // once for this key
//	})
//
// An event's Currency is the network as the service writes it ("BTCTEST"),
// its Wallet the address, "" for blocks, and its Source bitcart.SourceWebhook
// or bitcart.SourceStream. Raw is the data object, byte for byte as it came:
// members that this package does not know are there.
//
// Each fact comes more than once: at each number of confirmations in
// [AddressConfirmations], for each notification that it fits, by web hook and
// by socket. Credit a transaction and address once, whatever is told of them.
// [AddressEvent.Subject] is one key for all of these but the confirmations, for
// what is to be done once at each count; [OncePerSubject] runs a handler once
// for it. A reorganisation of the chain can take a transaction back that was
// told of: what is not [AddressEvent.Final] is not settled.
//
// # Notifications
//
// A [Client] manages the web hooks of one account, which is one API key of one
// network:
//
//	c, err := blockio.NewClient(key)
//	...
//	n, created, err := c.EnsureNotification(ctx, blockio.CreateRequest{
//		Type: blockio.TypeAccount, URL: "https://user:password@shop.example/hooks"})
//
// [Client.EnsureNotification] finds, enables or creates; run it at every start,
// once the web hook answers, since the service sends it a ping at once.
// [Client.RecentEvents] shows what was pushed last. [Client.Call] makes any
// other call. The service accepts calls only from IP addresses that the account
// allows.
//
// # Web hooks
//
// A [Receiver] is the http.Handler behind a notification's URL:
//
//	hooks, err := blockio.NewReceiver(&shop,
//		blockio.WithVerifier(blockio.AllOf(
//			blockio.SourceAddrs(nil, proxies), blockio.BasicAuth(user, password))),
//		blockio.WithSeen(seen))
//	...
//	mux.Handle("/hooks", hooks)
//
// It answers 200 for what a handler has handled and for nothing else; the
// service delivers the rest again, 25 times over 30 days. A [Seen] remembers
// for longer than that what was handled: [NewMemorySeen], or package boltseen
// over restarts. A [Verifier] says how far a sender can be trusted, and
// [DeliveryFrom] tells the handler. How the service computes its own signature
// is published nowhere, so nothing here checks it: [HMAC] is a scheme of this
// package's own, for a relay of yours.
//
// # Web sockets
//
// A [Stream] needs no web server and no API key:
//
//	stream, err := blockio.NewStream(&shop, blockio.WithOnGap(reconcile))
//	...
//	err = stream.Subscribe(ctx, blockio.Subscription{
//		Network: "BTC", Type: blockio.TypeAddress, Address: "3cBraN1Q..."})
//	...
//	err = stream.Run(ctx) // blocks until ctx ends and the handlers have returned
//
// It knows addresses and new blocks, not accounts, and the service replays
// nothing: after each reconnect a [Gap] says from when to when events may be
// missing, and [WithBackfill] can fetch them. Web hooks are the way that loses
// nothing.
//
// # Errors
//
// [*APIError] is an answer without success, [*CallError] is no answer, or one
// that cannot be read. They match bitcart.ErrConnectionFailed,
// bitcart.ErrInvalidAnswer and bitcart.ErrMaybeSent. Calls whose repeat is
// harmless are repeated a few times, see [WithRetry]; creating is not.
//
// # Money and secrets
//
// Amounts are decimal.Decimal in coins, exact to the last of Ethereum's 18
// places, and may be negative. The API key travels in a request's body, never
// in a URL. No type of this package shows the key, or what stands behind the
// host of a notification's URL, in a log, an error or a format verb; a
// handler that needs the URL reads [Notification].URL.
//
// # Testing
//
// Package blockiotest has a service that runs inside a test.
package blockio
