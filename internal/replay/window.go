package replay

import "slices"

// slack is how many items are remembered beyond what a queue of that size can
// hold: a queue that lacks some reaches further back.
func slack(size int) int { return max(size, QueueSize)/4 + 8 }

// excess is how many of n remembered items are to be forgotten: none up to a
// fifth more than are needed, and then that fifth at once, so that the others are
// moved seldom. What is held is remembered longer, since answers may be long in coming,
// and no more of it is forgotten than has to be.
func excess(n, size int, holding bool) int {
	needed := max(size, QueueSize) + 2*slack(size)
	limit, spare := needed+needed/5, needed/5
	if holding && limit < maxHeld {
		limit, spare = maxHeld, maxHeld/10
	}
	if n <= limit {
		return 0
	}
	return n - limit + spare
}

// dropOldest removes the first n items and keeps the room behind the others.
func dropOldest[T any](list []T, n int) []T { return list[:copy(list, list[n:])] }

// overtaken returns which of the items since the last connect are not in the
// answer although the next ones are: the daemon may append them yet.
func overtaken(r *reading, fresh int) (places []int) {
	for i := max(fresh, r.last-reach); i < r.last; i++ {
		if !r.al.paired(i) {
			places = append(places, i)
		}
	}
	return places
}

// compact returns a copy without spare room, nil for an empty list.
func compact[T any](list []T) []T { return append([]T(nil), list...) }

// cuts are the places where connections, or drops, began, oldest first.
type cuts []int

// maxCuts is how many are remembered: of a connection that lost the next one
// at once, and so on, the order of what was missed is less certain.
const maxCuts = 16

func (c cuts) add(place int) cuts {
	at, found := slices.BinarySearch(c, place)
	if found {
		return c
	}
	c = slices.Insert(c, at, place)
	if len(c) > maxCuts {
		c = dropOldest(c, 1)
	}
	return c
}

// shift moves the cuts when n items were forgotten.
func (c cuts) shift(n int) cuts {
	for len(c) > 0 && c[0] < n {
		c = dropOldest(c, 1)
	}
	for i := range c {
		c[i] -= n
	}
	return c
}
