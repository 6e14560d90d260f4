package replay

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogReportsRepeatsOfTheLastHundred(t *testing.T) {
	require.Equal(t, 100, Size, "users were told so")
	var l Log
	update := func(i int) Fingerprint { return Of(fmt.Sprintf("update %d", i)) }
	require.False(t, l.Add(update(0)))
	for i := 1; i < Size; i++ {
		require.False(t, l.Add(update(i)))
	}
	require.True(t, l.Add(update(0)), "the 100th before it is remembered")
	require.False(t, l.Add(update(Size)))
	require.False(t, l.Add(update(1)), "101 updates ago is forgotten")
	require.True(t, l.Add(update(0)))
}

func TestChainTellsEachItemOnce(t *testing.T) {
	type step struct {
		queue int
		items []Fingerprint
		fresh []bool
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"two queues say the same", []step{
			{0, []Fingerprint{1, 2, 3}, []bool{true, true, true}},
			{1, []Fingerprint{1, 2, 3}, []bool{false, false, false}},
		}},
		{"the second is ahead", []step{
			{0, []Fingerprint{1, 2}, []bool{true, true}},
			{1, []Fingerprint{1, 2, 3}, []bool{false, false, true}},
			{0, []Fingerprint{3, 4}, []bool{false, true}},
			{1, []Fingerprint{4}, []bool{false}},
		}},
		{"a repeated item is told again, once", []step{
			{0, []Fingerprint{1, 2}, []bool{true, true}},
			{1, []Fingerprint{1, 2}, []bool{false, false}},
			{0, []Fingerprint{1}, []bool{true}},
			{1, []Fingerprint{1, 2}, []bool{false, true}},
			{0, []Fingerprint{2}, []bool{false}},
		}},
		{"a skipped append", []step{
			{0, []Fingerprint{1, 2, 3}, []bool{true, true, true}},
			{1, []Fingerprint{1, 3}, []bool{false, false}},
			{1, []Fingerprint{4}, []bool{true}},
			{0, []Fingerprint{4}, []bool{false}},
		}},
		{"a queue that began later", []step{
			{0, []Fingerprint{1, 2, 1, 3}, []bool{true, true, true, true}},
			{1, []Fingerprint{1, 3}, []bool{false, false}},
			{1, []Fingerprint{2}, []bool{true}},
			{0, []Fingerprint{2, 5}, []bool{false, true}},
		}},
		{"a queue that began later, among contents that repeat", []step{
			{0, []Fingerprint{1, 2, 1, 2}, []bool{true, true, true, true}},
			{1, []Fingerprint{1, 2}, []bool{false, false}},
			{1, []Fingerprint{1}, []bool{true}},
			{0, []Fingerprint{1}, []bool{false}},
		}},
		{"a queue that began later and is ahead", []step{
			{0, []Fingerprint{3, 1, 1}, []bool{true, true, true}},
			{1, []Fingerprint{1, 1, 2}, []bool{false, false, true}},
			{0, []Fingerprint{2}, []bool{false}},
		}},
		{"a queue that began earlier and is ahead", []step{
			{0, []Fingerprint{1, 2}, []bool{true, true}},
			{1, []Fingerprint{1, 2, 1, 2, 3}, []bool{false, false, true, true, true}},
			{0, []Fingerprint{1, 2, 3}, []bool{false, false, false}},
		}},
		{"a queue that began later and is behind", []step{
			{0, []Fingerprint{1, 2, 3, 1, 2, 4}, []bool{true, true, true, true, true, true}},
			{1, []Fingerprint{1, 2}, []bool{false, false}},
			{1, []Fingerprint{1}, []bool{true}}, // the append of 4 was skipped
		}},
		{"an answer without such items", []step{
			{0, nil, nil},
			{0, []Fingerprint{1}, []bool{true}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Chain
			at := map[int]Position{}
			for i, s := range tt.steps {
				fresh, after := c.Merge(at[s.queue], s.items)
				require.Equal(t, s.fresh, fresh, "step %d", i)
				at[s.queue] = after
			}
		})
	}
}

func TestChainForgetsButStaysInStep(t *testing.T) {
	var c Chain
	var slow, fast Position
	for i := range 5 * chainSize {
		fresh, after := c.Merge(fast, []Fingerprint{Fingerprint(i)})
		require.Equal(t, []bool{true}, fresh)
		fast = after
		if i%3 == 0 {
			_, slow = c.Merge(slow, []Fingerprint{Fingerprint(i)})
		}
	}
	require.Less(t, len(c.items), 2*chainSize+1)
	require.GreaterOrEqual(t, len(c.items), chainSize)
	fresh, _ := c.Merge(slow, []Fingerprint{Fingerprint(5*chainSize - 1)})
	require.Equal(t, []bool{false}, fresh)
}

// A queue that was not read for so long that its place is forgotten is taken up where
// what it tells stands among what is remembered.
func TestChainOfAQueueThatFellBehind(t *testing.T) {
	var c Chain
	_, slow := c.Merge(0, []Fingerprint{0})
	var fast Position
	var last []Fingerprint
	for i := range 3 * chainSize {
		_, fast = c.Merge(fast, []Fingerprint{Fingerprint(i)})
		last = append(last, Fingerprint(i))
	}
	last = last[len(last)-100:]
	fresh, slow := c.Merge(slow, last)
	require.Equal(t, make([]bool, 100), fresh)
	require.Equal(t, fast, slow)
	fresh, _ = c.Merge(slow, last[:1])
	require.Equal(t, []bool{true}, fresh, "the same again is another one")
}
