package queue

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// line is what a ring and a fifo have in common.
type line[E any] interface {
	len() int
	at(i int) E
	push(E)
	pushFront(E)
	pop() (E, bool)
}

func TestRingBehavesLikeASlice(t *testing.T) { behavesLikeASlice(t, new(ring[int])) }

func TestFifoBehavesLikeASlice(t *testing.T) { behavesLikeASlice(t, new(fifo[int])) }

// behavesLikeASlice tests r at every fill and turn.
func behavesLikeASlice(t *testing.T, r line[int]) {
	random := rand.New(rand.NewPCG(3, 4))
	var want []int
	grow := 3
	for i := range 20_000 {
		if i%500 == 0 {
			grow = 1 + random.IntN(6) // of 7: now it fills, now it empties
		}
		switch op := random.IntN(7); {
		case op >= grow:
			v, ok := r.pop()
			require.Equal(t, len(want) > 0, ok)
			if ok {
				require.Equal(t, want[0], v)
				want = want[1:]
			}
		case op == 0:
			r.pushFront(i)
			want = append([]int{i}, want...)
		default:
			r.push(i)
			want = append(want, i)
		}
		require.Equal(t, len(want), r.len())
		if len(want) > 0 {
			require.Equal(t, want[len(want)-1], r.at(len(want)-1))
			require.Equal(t, want[0], r.at(0))
			middle := random.IntN(len(want))
			require.Equal(t, want[middle], r.at(middle))
		}
	}
}

// What was popped is not kept from the garbage collector.
func TestRingForgetsWhatItGave(t *testing.T) {
	var r ring[*int]
	for range 3 {
		for range 10 {
			r.push(new(int))
		}
		r.pushFront(new(int))
		for range 11 {
			r.pop()
		}
		for _, p := range r.buf {
			require.Nil(t, p)
		}
	}
}

func TestFifoForgetsWhatItGave(t *testing.T) {
	var f fifo[*int]
	for n := range 12 {
		for range n {
			f.push(new(int))
			f.pushFront(new(int))
		}
		for range 2 * n {
			f.pop()
		}
		require.Nil(t, f.first)
		for _, p := range f.rest.buf {
			require.Nil(t, p)
		}
	}
}
