// Package bitcarttest runs a Bitcart daemon inside the process, for tests and examples, as
// net/http/httptest runs a web server. It listens on a real port, speaks the daemon's JSON-RPC and
// websocket protocol, keeps wallets, payment requests and a small chain, and sends the events that
// a daemon of the chosen currency sends, in its order.
//
//	d, err := bitcarttest.NewDaemon("BTC")
//	...
//	defer d.Close()
//	// point the code under test at d.URL(), user "electrum", password "electrumz"
//	d.Pay(walletKey, requestKey, bitcarttest.Transfer{})
//	d.Mine(1)
//
// # Driving it
//
// Mine adds blocks, Send makes a transaction, Pay pays a request: partly, exactly or more. Emit
// sends any update, SendFrame any text. Handle adds or replaces a method. When Mine, Send, Pay and
// Emit return, their frames have been written, so that a test needs no pause.
// Reorg takes blocks back, DropTransaction a transaction that waits for a block.
// WaitSockets, WaitRegistered and WaitCalls wait for the code under test; Calls shows what it
// called. The clock (WithClock), the height (WithHeight), tokens (WithToken), the queue of
// get_updates (WithPollingCap), a path prefix and TLS can be set.
//
// # Outgoing payments
//
// SetBalance or Send gives a wallet something to spend. payto, paytomany,
// transfer, broadcast and the steps between them work as on the daemon of the
// currency. Nothing is sent before broadcast. Then the balance falls by amount
// and fee; get_transaction, the history and get_used_fee know the transaction;
// and wallets of the same daemon that it pays receive it, with its events. A
// wallet needs a seed or a private key to sign. Other wallets answer what is to
// be signed (Electrum), or are refused (account daemons). Coins are spent once:
// of two transactions with the same coins broadcast refuses the second.
// SetFeeRate and WithTransactionSize make fees what a test needs. On TRX
// transactions are objects, which must be followed by another object where
// arguments are positional.
//
// Lightning works between the wallets of one daemon: open_channel and
// AddChannel make channels, lnpay pays invoices of other wallets, and Pay pays
// an invoice as a stranger would. WithoutLightning switches it off.
//
// # Families
//
// BTC, LTC and GRS are of the family Electrum; BCH and XRG of ElectronCash; ETH, BNB, MATIC, TRX
// and XMR of Account. Any other symbol needs WithFamily. The family decides method and field names,
// error codes and events:
//
//   - Electrum and ElectronCash: a payment sends new_payment (status 7) and new_transaction from
//     the mempool; Mine sends new_block for the tip only, then new_payment (status 3) and
//     verified_tx. Payments after expiry count.
//   - Account: a payment is a block of its own: new_block, new_transaction, new_payment (status 0
//     while it is partial, then 3). It is found by its sender, which must have been registered with
//     setrequestaddress. Payments after expiry, and after the request is paid, are only
//     new_transaction. Mine sends new_block for every block.
//   - XMR: found by its address in the mempool: new_transaction, new_payment (7); Mine: new_payment (3).
//
// # Oddities of real daemons
//
// A refused login is HTTP 200 with a JSON-RPC error, for the websocket and /spec too. Other
// Authorization schemes, a colon in the password, a JSON array or null as body, a body that is not
// UTF-8 and an xpub of a wrong type are HTTP 500 in plain text with the connection closed; broken
// JSON is -32700; a body over 1 MiB is 413. An array of arguments whose last element is an object
// ends with the named arguments. NaN is a number. Texts of TypeErrors are Python's. Wallets exist
// only after a call has named them; a bad key is -32005, on Electrum for every method. The key of a
// token wallet holds the contract exactly as it was typed; two spellings of one address are two
// wallets with an event each; a wallet whose contract cannot be loaded stays half loaded. On account
// daemons the calls of one wallet run one after the other, also when the caller has hung up, and
// list_requests with a flag fails. The read of a lightning invoice by get_request fails until it is
// paid. XRG fails to read a request that has transactions, and sends no new_payment. The fee rate of
// Electrum's payto must be a number, amounts must be text. BCH has no code of its own for too little
// money, account daemons none for an unknown request. rescan_blocks of XMR counts a transaction again.
//
// A websocket filter is compared with the key text: an object is accepted and matches nothing,
// empty ones are ignored, the last one wins, JSON that is no object ends the connection. Frames are
// printed as Python does it, are written before the update is queued, and are equal to the queued
// update byte for byte, except that tx_hashes of a queued new_payment of an account daemon grow.
// get_updates empties the queue. new_block is one frame per websocket and one item in each queue. A
// client that does not read holds everybody up, here until WithWriteTimeout cuts it. When an account
// daemon loads a wallet again that it knows, the transactions of its blocks come again, for all
// wallets, after the answer (WithoutReplay stops that). Such a daemon catches up with 300 blocks
// (MATIC 450, XMR 100) when it starts, and skips newer ones for good.
//
// # Faults
//
// Faults returns the switches: CutSockets (RST, FIN or a close frame), Restart,
// Stop and Start, RefuseUpgrade, MangleUpgrade, FailMethod, DropAnswer,
// DelayMethod, GateMethod, LoseUpdates, SkipBlocks, SkipAppend, SwapAppends,
// RewriteQueued, BlackHole, DropPongs, and StallClient (a client that stops
// reading). SendFrame sends odd frames. Exception returns an error for
// FailMethod that gets its code from the daemon's own error names.
//
// # Limits
//
// Nothing is signed or validated: checksums are not checked, the address of a
// key that is no address is made from a hash, and raw transactions are random
// bytes that only this daemon can read. Lightning has no routes and no fees.
// An XMR wallet that is loaded again does not count again what it shows. The
// node is never away, and catching up sends no events: Handle("getinfo", ...),
// GateMethod and Emit can do that. It keeps at most 10 000 logged calls,
// 100 000 transactions, and 50 000 requests per wallet; the oldest go first.
// When 1 000 transactions wait for broadcast, all of them are forgotten.
package bitcarttest
