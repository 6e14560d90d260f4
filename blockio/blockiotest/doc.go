// Package blockiotest runs a Block.io-style notification service inside the
// process, for tests and examples, as net/http/httptest runs a web server. It
// listens on a real port, answers the REST endpoints that manage notifications,
// posts events to web hooks and repeats them by the service's schedule, and
// serves web sockets.
//
//	s, err := blockiotest.New(blockiotest.WithAccount("key", "BTC", "3cBraN1Q"))
//	...
//	defer s.Close()
//	// point the code under test at s.URL() with the key, its socket at s.SocketURL()
//	s.Emit("BTC", "address", blockio.AddressEvent{Network: "BTC", Address: "3cBraN1Q", TxID: "7af5"})
//	s.Wait(ctx)
//
// # Driving it
//
// Emit tells of an event by every web hook and socket that it belongs to, EmitTo
// by one web hook. AddNotification adds a notification without a call and a
// ping; AddAddress gives an account an address. Wait blocks until what is due is
// delivered. Calls, Deliveries, Waiting and Notifications show what has
// happened.
//
// # Time
//
// Advance moves the service's time: a month of retries takes milliseconds.
// Each attempt is made at its own time and answered before the time goes on.
// The pauses are RetryPauses: 25, together 30 days, each longer than the one
// before by the same factor. The service publishes the first two of these three
// facts; the factor is this package's. Timeouts of web hooks, the sockets' pings
// and the faults' delays of answers are in real time.
//
// # What it answers
//
// Parameters are taken from the query, a form or JSON. A key of an account, one
// network each, is wanted for every call. Success is status 200, failures are
// 404 and 403 with the service's JSON. An empty list is a failure. Creating
// pings the URL, and wants a status from 200 to 299; one type and URL can have
// one notification. The forms of lists are not published: here they are an
// object that holds an array, or the array by itself (WithBareLists), with the
// notifications' addresses or not (WithoutAddresses).
//
// Deliveries have no event_id and no signature, as in the service's examples,
// unless WithEventIDs and WithSignature ask for them. How the service signs is
// not published; the scheme is that of blockio.HMAC. User info in a
// notification's URL goes out as Basic auth. Redirects are not followed. Events
// of a notification go out one after another in order, WithParallel several at
// once; one that failed does not hold back the next ones. A disabled
// notification gets nothing, and what waits for it is dropped when it is due.
//
// # Faults
//
// Faults gives the switches. For calls: FailCalls, BreakCalls, Throttle,
// CutCalls, HalveAnswers. For deliveries: DuplicateEvents, ForgeSignatures,
// HalveDeliveries, CutDeliveries, DelayDeliveries, HoldDeliveries and
// ReleaseDeliveries, which can reorder. For sockets: CutSockets,
// SilenceSockets, RefuseUpgrades, RefuseSubscriptions, WithholdGreeting,
// HoldAnswers, DelayAnswers, RepeatEvents, PingEvery.
//
// # Limits
//
// There is no chain: an event is what the test says it is. Bounds: 100 000
// notifications an account, 100 000 waiting events, 10 000 logged calls and
// deliveries; the oldest log entries go first.
package blockiotest
