//go:build bitcart_jitter

// Package jitter is documented without the tag bitcart_jitter.
package jitter

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// Mutex is a [sync.Mutex] that pauses.
type Mutex struct{ mu sync.Mutex }

// Lock locks m after a pause.
func (m *Mutex) Lock() {
	pause()
	m.mu.Lock()
}

// TryLock locks m if that needs no waiting, and does not pause.
func (m *Mutex) TryLock() bool { return m.mu.TryLock() }

// Unlock unlocks m and pauses: what the caller does next comes late.
func (m *Mutex) Unlock() {
	m.mu.Unlock()
	pause()
}

// pause does nothing most times, and seldom takes longer than a daemon's answer.
func pause() {
	switch n := rand.IntN(64); {
	case n == 0:
		time.Sleep(rand.N(3 * time.Millisecond))
	case n < 4:
		time.Sleep(rand.N(100 * time.Microsecond))
	case n < 24:
		runtime.Gosched()
	}
}
