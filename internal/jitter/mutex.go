//go:build !bitcart_jitter

// Package jitter has the mutex of the parts that recovery is made of. It is
// [sync.Mutex]; built with the tag bitcart_jitter it pauses at random before it is
// locked and after it was unlocked, so that the chaos test meets orders of events
// that a quiet machine hardly ever makes.
package jitter

import "sync"

// Mutex is [sync.Mutex], or one that pauses.
type Mutex = sync.Mutex
