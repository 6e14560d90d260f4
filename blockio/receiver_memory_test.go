package blockio_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
)

// TestBodyOfAStrangerStaysSmall: anybody can send a body of the full size; what
// reading it costs before it is refused must be a small multiple of its bytes.
func TestBodyOfAStrangerStaysSmall(t *testing.T) {
	var members strings.Builder
	for i := 0; members.Len() < 3<<20; i++ {
		fmt.Fprintf(&members, `"%x":0,`, i)
	}
	signature := `"signature":"` + strings.Repeat("0", 64) + `"`
	for name, body := range map[string]string{
		"members":          `{"type":"address","data":{},` + members.String() + signature + `}`,
		"members of data":  `{"type":"address","data":{` + members.String() + `"z":0},` + signature + `}`,
		"members repeated": `{"type":"address","data":{},` + strings.Repeat(`"":0,`, 600_000) + signature + `}`,
		"objects":          `{"type":"address","data":{"a":[` + strings.Repeat(`{"":0},`, 400_000) + `0]},` + signature + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			rc := makeReceiver(t, takeEvents(blockio.EventAddress), blockio.WithVerifier(blockio.HMAC(hookSecret)))
			r := hook(body)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			require.Equal(t, 401, answer(rc, r).Code)
			runtime.ReadMemStats(&after)
			t.Logf("%d MiB for a body of %d MiB", (after.TotalAlloc-before.TotalAlloc)>>20, len(body)>>20)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20*len(body)))
		})
	}
}
