package blockio

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Seen remembers which events were handled, in two phases: an event is claimed
// before its handler runs, and committed after it, so that a crash between the
// two loses nothing. [NewMemorySeen] is the default; package boltseen has one
// that survives restarts.
//
// Claims are fenced: Renew, Commit and Release name the claim by its token. If
// the claim was lost (its lease ran out and the key was claimed again, or
// forgotten), they return an error that matches [ErrClaimLost] and change
// nothing. An implementation is safe for concurrent use, and if receivers in
// several processes share it, for all of them.
type Seen interface {
	// Claim claims key for the time of lease. The answer is Fresh, with a
	// token that no other claim ever had, for a key that is unknown or whose
	// claim or commit has expired; InFlight while another claim holds it; Done
	// once it was committed. It must not wait for another claim.
	Claim(ctx context.Context, key string, lease time.Duration) (Claim, error)
	// Renew lets the claim last for lease from now on.
	Renew(ctx context.Context, key string, token Token, lease time.Duration) error
	// Commit marks the key as done for the time of keep, durably if the store is.
	Commit(ctx context.Context, key string, token Token, keep time.Duration) error
	// Release gives the claim back: the next Claim is Fresh.
	Release(ctx context.Context, key string, token Token) error
}

// Claim is the answer of Seen.Claim.
type Claim struct {
	State State
	Token Token // of a Fresh claim
}

// Token names one claim of a key.
type Token string

// State is what a Seen knows about a key. The zero State is none of them, and
// no handler runs for it.
type State uint8

// States of a key.
const (
	Fresh    State = iota + 1 // claimed by this call: handle the event
	InFlight                  // another claim holds the key: come back later
	Done                      // handled and committed: nothing to do
)

var stateNames = map[State]string{Fresh: "fresh", InFlight: "in flight", Done: "done"}

// String returns the state in words.
func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Errors of a Seen.
var (
	// ErrClaimLost: the claim has expired and the key was claimed again or
	// forgotten, or it was committed or released already.
	ErrClaimLost = errors.New("blockio: the claim was lost")
	// ErrSeenFull: a bounded Seen holds as many claims in flight as it may.
	ErrSeenFull = errors.New("blockio: too many claims in flight")
)
