// Package wsconn is one client websocket connection: a dial that a context can
// end in every phase, reads into one reused buffer, a keep-alive that costs a
// busy stream nothing, and an end that is clean on the wire.
//
// The life of a connection is
//
//	conn, err := wsconn.Dial(ctx, cfg)
//	for {
//		msg, err := conn.Read() // msg is valid until the next Read
//		...
//	}
//	conn.Close()
//
// and, to leave in peace, Shutdown from any goroutine while the loop runs: Read
// goes on with what was in flight and then returns [ErrClosed].
//
// # Leaving in peace
//
// A peer that fans events out to many clients may fail an event for all of them
// when one client's socket is reset under it. TCP resets a socket that is closed
// while bytes from the peer are unread. So every end that this side begins says
// a close frame and reads on for a while: Shutdown through Read, and a Read that
// meets a message it cannot accept by discarding what still comes, at most for
// CloseTimeout. Close alone is the way out that waits for nobody.
package wsconn
