package bitcart

import (
	"context"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Tasks for now go first, in the order in which they were added; later ones
// when their time has come, the earliest first.
func TestAgendaOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a agenda[int]
		_, ok := a.due(t.Context())
		require.False(t, ok)
		a.add(4, time.Now().Add(2*time.Second))
		a.add(3, time.Now().Add(time.Second))
		a.add(5, time.Now().Add(2*time.Second))
		a.add(1, time.Time{})
		a.add(2, time.Time{})
		began := time.Now()
		var got []int
		var after []time.Duration
		for range 5 {
			task, ok := a.next(t.Context())
			require.True(t, ok)
			got = append(got, task)
			after = append(after, time.Since(began))
		}
		require.Equal(t, []int{1, 2, 3, 4, 5}, got)
		require.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second, 2 * time.Second}, after)
		require.Nil(t, a.now, "room for very many is not kept")
		require.Nil(t, a.later)
	})
}

// An agenda that is never empty keeps no room for what went through it, and no
// task that was taken.
func TestAgendaKeepsWhatItHoldsAlone(t *testing.T) {
	var a agenda[*int]
	var want []*int
	random := rand.New(rand.NewPCG(5, 6))
	most := 0
	for range 20_000 {
		if len(want) < 2 || len(want) < 100 && random.IntN(2) == 0 {
			task := new(int)
			a.add(task, time.Time{})
			want = append(want, task)
		} else {
			task, ok := a.due(t.Context())
			require.True(t, ok)
			require.Same(t, want[0], task)
			want = want[1:]
		}
		most = max(most, cap(a.now))
		kept := 0
		for _, task := range a.now[:cap(a.now)] {
			if task != nil {
				kept++
			}
		}
		require.Equal(t, len(want), kept)
	}
	require.LessOrEqual(t, most, 512)
}

// At most so many tasks are under way that have a place. One that takes longer
// than patience, or has left, keeps none from the others.
func TestAgendaPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const atOnce, patience = 3, time.Minute
		var a agenda[int]
		ctx, cancel := context.WithCancel(t.Context())
		var inside, most, done atomic.Int64
		release := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.run(ctx, atOnce, patience, func(task int, leave func()) {
				most.Store(max(most.Load(), inside.Add(1)))
				if task%2 == 0 {
					leave()
				}
				<-release
				inside.Add(-1)
				done.Add(1)
			})
		}()
		for range 2 * atOnce {
			a.add(1, time.Time{})
		}
		synctest.Wait()
		require.EqualValues(t, atOnce, inside.Load())
		time.Sleep(patience)
		synctest.Wait()
		require.EqualValues(t, 2*atOnce, inside.Load(), "the first ones keep their places no longer")
		for range 5 * atOnce {
			a.add(2, time.Time{})
		}
		synctest.Wait()
		require.EqualValues(t, 2*atOnce, inside.Load())
		time.Sleep(patience)
		synctest.Wait()
		require.EqualValues(t, 7*atOnce, inside.Load(), "who has left keeps no place")
		cancel()
		synctest.Wait()
		select {
		case <-ended:
			require.Fail(t, "run does not wait for its tasks")
		default:
		}
		close(release)
		<-ended
		require.EqualValues(t, 7*atOnce, done.Load())
	})
}

// Every task is done once, whoever adds it and however long it takes, and few
// goroutines do them all: those that have done one go on with the next. Nobody
// stays when nothing is due.
func TestAgendaCrew(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			const atOnce, tasks = 4, 400
			var a agenda[int]
			ctx, cancel := context.WithCancel(t.Context())
			var mu sync.Mutex
			var done []int
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				a.run(ctx, atOnce, time.Minute, func(task int, leave func()) {
					time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
					if rand.IntN(2) == 0 {
						leave()
						time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
					}
					mu.Lock()
					done = append(done, task)
					mu.Unlock()
				})
			}()
			for i := range tasks {
				at := time.Time{}
				if rand.IntN(4) == 0 {
					at = time.Now().Add(time.Duration(rand.IntN(100)) * time.Millisecond)
				}
				a.add(i, at)
				if rand.IntN(50) == 0 {
					time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
				}
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			mu.Lock()
			slices.Sort(done)
			for i, task := range done {
				require.Equal(t, i, task)
			}
			require.Len(t, done, tasks)
			mu.Unlock()
			cancel()
			<-ended
			_, ok := a.due(ctx)
			require.False(t, ok, "nothing is due when ctx has ended")
		})
	}
}

// Who has done a task does the next one: a goroutine for each would have to grow
// its stack again.
func TestAgendaReusesGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks = 100
		var a agenda[int]
		ctx, cancel := context.WithCancel(t.Context())
		goroutines := make(map[string]int)
		ended := make(chan struct{})
		for range tasks {
			a.add(0, time.Time{})
		}
		go func() {
			defer close(ended)
			a.run(ctx, 1, time.Hour, func(int, func()) {
				time.Sleep(time.Millisecond)
				name, _, _ := strings.Cut(string(debug.Stack()), " [")
				goroutines[name]++
			})
		}()
		time.Sleep(time.Minute)
		cancel()
		<-ended
		done := 0
		for _, n := range goroutines {
			done += n
		}
		require.Equal(t, tasks, done)
		require.LessOrEqual(t, len(goroutines), tasks/10)
	})
}

// Goroutines wait for more tasks only while some are due.
func TestAgendaDismissesItsCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a agenda[int]
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		begun, again := make(chan struct{}), make(chan struct{})
		var bodies atomic.Int64
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.run(ctx, 1, time.Hour, func(int, func()) {
				bodies.Add(1)
				begun <- struct{}{}
				<-again
			})
		}()
		goroutines := func() int { return stacksOf("bitcart.(*agenda[...]).run.func") }
		for range 3 {
			a.add(0, time.Time{})
		}
		for range 3 {
			<-begun
			synctest.Wait()
			require.LessOrEqual(t, goroutines(), 2)
			again <- struct{}{}
		}
		synctest.Wait()
		require.Zero(t, goroutines(), "nothing is due")
		require.EqualValues(t, 3, bodies.Load())
		cancel()
		<-ended
	})
}

// stacksOf counts the goroutines in whose stacks the text stands.
func stacksOf(text string) (n int) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for _, stack := range strings.Split(string(buf), "\n\n") {
		if strings.Contains(stack, text) {
			n++
		}
	}
	return n
}
