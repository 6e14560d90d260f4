package blockio

import (
	"container/list"
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// defaultMemorySeen is some 15 MB of keys.
const defaultMemorySeen = 1 << 16

// NewMemorySeen returns a Seen that holds at most max keys in memory; 0 or less
// means 65 536. When it is full, it forgets the committed key that expires
// first, and a late repeat of that event is handled again. Claims in flight are
// never forgotten: if they alone fill it, Claim returns [ErrSeenFull].
//
// It does not survive the process: an event that was delivered before a restart
// and is repeated after it is handled again. Package boltseen keeps the keys on
// disk.
func NewMemorySeen(max int) Seen {
	if max <= 0 {
		max = defaultMemorySeen
	}
	return &memorySeen{max: max, keys: map[string]*list.Element{}}
}

// memorySeen keeps claims and commits apart, each in the order in which they
// expire: the front is what goes first, and nothing has to be searched.
type memorySeen struct {
	mu     sync.Mutex
	max    int
	keys   map[string]*list.Element // of claims or done
	claims list.List
	done   list.List
}

// seenKey is the value of both lists.
type seenKey struct {
	key     string
	token   Token
	state   State // InFlight or Done
	expires time.Time
}

func (k *seenKey) expired(now time.Time) bool { return !now.Before(k.expires) }

func (m *memorySeen) Claim(ctx context.Context, key string, lease time.Duration) (Claim, error) {
	if err := ctx.Err(); err != nil {
		return Claim{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.forgetDone(now)
	if e, ok := m.keys[key]; ok {
		k := e.Value.(*seenKey)
		if !k.expired(now) {
			return Claim{State: k.state}, nil
		}
		m.forget(&m.claims, e)
	}
	if !m.makeRoom(now) {
		return Claim{}, ErrSeenFull
	}
	k := &seenKey{key: key, token: Token(rand.Text()), state: InFlight, expires: now.Add(lease)}
	m.keys[key] = insert(&m.claims, k)
	return Claim{State: Fresh, Token: k.token}, nil
}

func (m *memorySeen) Renew(ctx context.Context, key string, token Token, lease time.Duration) error {
	return m.replace(ctx, key, token, &m.claims, InFlight, lease)
}

func (m *memorySeen) Commit(ctx context.Context, key string, token Token, keep time.Duration) error {
	return m.replace(ctx, key, token, &m.done, Done, keep)
}

func (m *memorySeen) Release(ctx context.Context, key string, token Token) error {
	return m.replace(ctx, key, token, nil, 0, 0)
}

// replace takes the claim out of its list and puts it into another one, nil =
// none. An expired claim that nobody has taken since is still good: what its
// handler did is done.
func (m *memorySeen) replace(ctx context.Context, key string, token Token, to *list.List, state State, last time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.keys[key]
	if !ok {
		return ErrClaimLost
	}
	k := e.Value.(*seenKey)
	if k.state != InFlight || k.token != token {
		return ErrClaimLost
	}
	m.claims.Remove(e)
	delete(m.keys, key)
	if to != nil {
		k.state, k.expires = state, time.Now().Add(last)
		m.keys[key] = insert(to, k)
	}
	return nil
}

// forgetDone forgets the commits that have had their time. A claim that has
// expired stays until its key is claimed again or its room is needed: its
// handler may be late, and then its commit still tells the truth.
func (m *memorySeen) forgetDone(now time.Time) {
	for e := m.done.Front(); e != nil && e.Value.(*seenKey).expired(now); e = m.done.Front() {
		m.forget(&m.done, e)
	}
}

// makeRoom forgets an expired claim, or else the commit that expires first,
// when there is no room.
func (m *memorySeen) makeRoom(now time.Time) bool {
	if len(m.keys) < m.max {
		return true
	}
	if e := m.claims.Front(); e != nil && e.Value.(*seenKey).expired(now) {
		m.forget(&m.claims, e)
		return true
	}
	if e := m.done.Front(); e != nil {
		m.forget(&m.done, e)
		return true
	}
	return false
}

func (m *memorySeen) forget(l *list.List, e *list.Element) {
	delete(m.keys, e.Value.(*seenKey).key)
	l.Remove(e)
}

// insert keeps l in the order of expiry. The search begins at the back, where
// a key belongs as long as all last equally long.
func insert(l *list.List, k *seenKey) *list.Element {
	e := l.Back()
	for e != nil && k.expires.Before(e.Value.(*seenKey).expires) {
		e = e.Prev()
	}
	if e == nil {
		return l.PushFront(k)
	}
	return l.InsertAfter(k, e)
}
