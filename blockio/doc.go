// Package blockio is a client of a Block.io-style notification service. The
// service watches addresses of Bitcoin, Ethereum, Litecoin and their testnets,
// including addresses that belong to somebody else, and reports balance changes
// and new blocks by web hook or by web socket. Either way they become events of
// package bitcart, with the same handlers and the same dispatcher.
//
// # Events
//
// Handlers are registered with a *bitcart.Dispatcher or a *bitcart.Coin, under
// the service's names and with its payloads:
//
//	var shop bitcart.Dispatcher
//	bitcart.On(&shop, func(ctx context.Context, ev *bitcart.Event, p blockio.AddressEvent) error {
//		if !p.Final() || !p.BalanceChange.IsPositive() {
//			return nil // reported again with more confirmations; or the address has paid
//		}
//		return credit(ctx, p.Network, p.TxID, p.Address, p.BalanceChange) // once for this key
//	})
//
// An event's Currency is the network as the service writes it ("BTCTEST"), its
// Wallet is the address ("" for blocks), and its Source is
// bitcart.SourceWebhook or bitcart.SourceStream. Raw is the data object, byte
// for byte as it came, with the members that this package does not know.
//
// Each fact is reported more than once: at each number of confirmations in
// [AddressConfirmations], for each notification that matches it, by web hook
// and by socket. Credit each transaction and address once, whatever is reported
// about them. For one number of confirmations all reports have the same
// [AddressEvent.Subject], a key for what is to be done once at each number;
// [OncePerSubject] runs a handler once for it. A reorganisation of the chain can
// take back a transaction that was reported: until [AddressEvent.Final] it is
// not settled.
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
// [Client.EnsureNotification] finds a notification, and enables or creates it if
// necessary. Call it at every start, once the web hook answers, because the
// service sends a ping at once. [Client.RecentEvents] returns the events that
// were pushed last. [Client.Call] makes any other call. The service accepts
// calls only from IP addresses that the account allows.
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
// It answers 200 only for what a handler has handled; the service delivers
// everything else again, 25 times over 30 days. A [Seen] remembers for longer
// than that what was handled: [NewMemorySeen] while the process lives, package
// boltseen over restarts. A [Verifier] says how far a sender can be trusted,
// and [DeliveryFrom] passes that on to the handler. How the service computes
// its own signature is published nowhere, so nothing here checks it: [HMAC] is
// a scheme of this package's own, for a relay of yours.
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
// It has the types address and new-blocks, but not account. The service replays
// nothing: after each reconnect a [Gap] says from when to when events may be
// missing, and [WithBackfill] can fetch them. If no event may be lost, use web
// hooks.
//
// # Errors
//
// *[APIError] is an answer without success, *[CallError] is no answer, or one
// that cannot be read. They match bitcart.ErrConnectionFailed,
// bitcart.ErrInvalidAnswer and bitcart.ErrMaybeSent. Calls whose repeat is
// harmless are repeated a few times, see [WithRetry]; creating a notification
// is not.
//
// # Money and secrets
//
// Amounts are decimal.Decimal in coins, exact to the last of Ethereum's 18
// decimal places, and may be negative. The API key travels in a request's body,
// never in a URL. No type of this package shows the key, or what follows the
// host in a notification's URL, in a log, an error or a format verb; a handler
// that needs the URL reads Notification.URL.
//
// # Testing
//
// Package blockiotest is a service that runs inside a test.
package blockio
