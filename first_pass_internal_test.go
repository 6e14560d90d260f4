package bitcart

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// endsEarly is a rig whose first connection has ended when the first wallet's queue was read, which held block 0,
// and the second one's was not.
func endsEarly(t *testing.T) (b *blockRig) {
	t.Helper()
	b = newBlockRig(t, 2)
	p := b.connects(true, b.started)
	b.setConnected(true)
	b.recovery.witness(p, b.ws)
	b.setArmed(b.ws[0])
	b.answers(p, b.ws[0], true, 0)
	require.Len(t, b.told(), 1, "the start")
	b.ends(p)
	b.setConnected(false)
	return b
}

// G11: an outage that takes too long is no gap of blocks behind a first connection that has ended early: none
// waits for an answer.
func TestG11LongOutageBehindAFirstConnectionThatEndsEarly(t *testing.T) {
	b := endsEarly(t)
	b.pass(1 << 62)
	b.recovery.abandon(b.started, b.d.patience)
	require.Empty(t, b.told())
	b.eventually(func() bool { return len(b.heights()) == 1 })
	p := b.connects(false, b.started)
	b.setConnected(true)
	require.True(t, b.answers(p, b.ws[0], true, 1, 2))
	b.eventually(func() bool { return len(b.heights()) == 3 })
	require.Equal(t, []int64{0, 1, 2}, b.heights())
	require.Empty(t, b.told())
}

// G11: an answer that is as long as the daemon's queue, and begins with what was seen on a first connection that
// has ended early, lacks nothing.
func TestG11FullAnswerBehindAFirstConnectionThatEndsEarly(t *testing.T) {
	b := newBlockRig(t, 2)
	b.pass(1 << 62)
	p := b.connects(true, b.started)
	b.setConnected(true)
	b.recovery.witness(p, b.ws)
	b.setArmed(b.ws[0])
	b.answers(p, b.ws[0], true)
	require.Len(t, b.told(), 1, "the start")
	b.push(b.ws[0], "0", &updatesOf(t, `[{"event":"own"}]`)[0], SourceWebsocket, time.Now(), time.Now())
	b.live(1, time.Now())
	b.ends(p)
	b.setConnected(false)
	p = b.connects(false, b.started)
	b.setConnected(true)
	list := updatesOf(t, `[{"event":"own"},{"event":"new_block","height":1},{"event":"new_block","height":2},{"event":"new_block","height":3},{"event":"new_block","height":4}]`)
	proven, merged := b.recovery.merge(p, b.ws[0], dequeued{list, len(list)}, b.recovery.beforeAsking(b.ws[0]), true)
	require.True(t, merged)
	require.Empty(t, b.told())
	require.True(t, proven)
	b.eventually(func() bool { return len(b.heights()) == 4 })
	require.Equal(t, []int64{1, 2, 3, 4}, b.heights())
}
