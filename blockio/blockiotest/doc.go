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
// Emit sends an event to every web hook and socket that it belongs to, EmitTo
// to one web hook. AddNotification adds a notification without a call and
// without a ping; AddAddress gives an account an address. Wait blocks until
// everything that is due is delivered. Calls, Deliveries, Waiting and
// Notifications show what has happened.
//
// # Time
//
// Advance moves the service's time: a month of retries takes milliseconds. Each
// attempt is made at its own time, and answered before time goes on. The pauses
// are RetryPauses: there are 25, they add up to 30 days, and each is longer
// than the one before by the same factor. The service publishes the first two
// of these facts; the factor is this package's. Timeouts of web hooks, the
// sockets' pings and delayed answers are in real time.
//
// # What it answers
//
// Parameters are read from the query, a form or JSON. Every call needs the key
// of an account; an account has one network. Success is status 200, failures
// are 404 and 403 with the service's JSON. An empty list is a failure. Creating
// a notification pings its URL and expects a status from 200 to 299; there can
// be one notification for each type and URL. The forms of lists are not
// published: here they are an object that holds an array, or the array by
// itself (WithBareLists), with the notifications' addresses or without them
// (WithoutAddresses).
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
