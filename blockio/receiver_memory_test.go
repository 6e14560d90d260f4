package blockio_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
)

// manyMembers is "0":0,"1":0, and so on, of that size.
func manyMembers(size int) string {
	var members strings.Builder
	for i := 0; members.Len() < size; i++ {
		fmt.Fprintf(&members, `"%x":0,`, i)
	}
	return members.String()
}

// allocated is how many bytes f has allocated.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestBodyOfAStrangerStaysSmall: anybody can send a body of the full size; what
// reading it costs before it is refused must be a small multiple of its bytes.
func TestBodyOfAStrangerStaysSmall(t *testing.T) {
	members := manyMembers(3 << 20)
	signature := `"signature":"` + strings.Repeat("0", 64) + `"`
	for name, body := range map[string]string{
		"members":          `{"type":"address","data":{},` + members + signature + `}`,
		"members of data":  `{"type":"address","data":{` + members + `"z":0},` + signature + `}`,
		"members repeated": `{"type":"address","data":{},` + strings.Repeat(`"":0,`, 600_000) + signature + `}`,
		"objects":          `{"type":"address","data":{"a":[` + strings.Repeat(`{"":0},`, 400_000) + `0]},` + signature + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			rc := makeReceiver(t, takeEvents(blockio.EventAddress), blockio.WithVerifier(blockio.HMAC(hookSecret)))
			r := hook(body)
			bytes := allocated(func() { require.Equal(t, 401, answer(rc, r).Code) })
			t.Logf("%d KiB for a body of %d KiB", bytes>>10, len(body)>>10)
			require.Less(t, bytes, uint64(20*len(body)))
		})
	}
}

// largeBodies are deliveries of 1 MiB without an event id, whose data costs
// the most when it is decoded.
func largeBodies() map[string]string {
	const fact = `"network":"BTC","address":"A","txid":"t","confirmations":1,`
	body := func(data string) string {
		return `{"notification_id":"n1","type":"address","data":{` + fact + data + `}}`
	}
	const size = 1<<20 - 200
	list := func(item string) string {
		return body(`"a":[` + strings.Repeat(item+",", size/(len(item)+1)) + `0]`)
	}
	return map[string]string{
		"numbers":          list(`0`),
		"texts":            list(`""`),
		"objects":          list(`{}`),
		"lists":            list(`[]`),
		"objects with one": list(`{"":0}`),
		"escapes":          list(`"\n"`),
		"markup":           list(`"<<<<<<<<"`),
		"members":          body(manyMembers(size) + `"z":0`),
		"members repeated": body(strings.Repeat(`"":0,`, size/5) + `"":1`),
		"nested":           body(`"a":` + strings.Repeat(`{"b":0,"a":`, 9000) + `"` + strings.Repeat("x", size-9000*12) + `"` + strings.Repeat(`}`, 9000)),
	}
}

// TestBodyWithoutAnEventIDStaysSmall: what names such an event is a digest of
// its data, which anybody may have sent who passes the Verifier.
func TestBodyWithoutAnEventIDStaysSmall(t *testing.T) {
	for name, body := range largeBodies() {
		t.Run(name, func(t *testing.T) {
			rc := makeReceiver(t, takeEvents(blockio.EventAddress), blockio.WithVerifier(pass(blockio.SourceOnly)))
			r := hook(body)
			bytes := allocated(func() { require.Equal(t, 200, answer(rc, r).Code) })
			t.Logf("%d KiB for a body of %d KiB", bytes>>10, len(body)>>10)
			require.Less(t, bytes, uint64(20*len(body)))
		})
	}
}

// TestConfirmStaysSmall: the data that is to be confirmed is a stranger's.
func TestConfirmStaysSmall(t *testing.T) {
	client, _ := recentEvents(t, 200, success(`[{"data":`+addressData+`}]`))
	for name, body := range largeBodies() {
		t.Run(name, func(t *testing.T) {
			rc := makeReceiver(t, takeEvents(blockio.EventAddress), blockio.WithVerifier(blockio.Confirm(client)))
			r := hook(body)
			bytes := allocated(func() { require.Equal(t, http.StatusUnauthorized, answer(rc, r).Code) })
			t.Logf("%d KiB for a body of %d KiB", bytes>>10, len(body)>>10)
			require.Less(t, bytes, uint64(20*len(body)))
		})
	}
}
