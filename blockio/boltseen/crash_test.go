package boltseen_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/boltseen"
)

const victimFile = "BOLTSEEN_VICTIM_FILE"

// TestVictim is the process that TestKilledProcess kills.
func TestVictim(t *testing.T) {
	path := os.Getenv(victimFile)
	if path == "" {
		return
	}
	s, err := boltseen.Open(path, boltseen.Config{NoSync: true})
	require.NoError(t, err)
	for i := 0; ; i++ {
		key := fmt.Sprint("key", i)
		c, err := s.Claim(context.Background(), key, lease)
		require.NoError(t, err)
		fmt.Println("claimed", key)
		if i%2 == 0 {
			require.NoError(t, s.Commit(context.Background(), key, c.Token, keep))
			fmt.Println("committed", key)
		}
	}
}

// TestKilledProcess kills a process in the middle of its work: what it
// committed is done, and what it only claimed is in flight.
func TestKilledProcess(t *testing.T) {
	path := newFile(t)
	victim := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), victimFile+"="+path)
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())

	known := map[string]blockio.State{}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == 100 {
			require.NoError(t, victim.Process.Kill())
		}
		var what, key string
		if _, err := fmt.Sscan(lines.Text(), &what, &key); err != nil {
			continue // cut off by the kill
		}
		switch what {
		case "claimed":
			known[key] = blockio.InFlight
		case "committed":
			known[key] = blockio.Done
		}
	}
	require.Error(t, victim.Wait(), "it was killed")
	require.Greater(t, len(known), 50)

	s := open(t, path)
	last := fmt.Sprint("key", len(known)-1) // its commit may have come without its line
	for key, want := range known {
		if key != last {
			claim(t, s, key, want)
		}
	}
}
