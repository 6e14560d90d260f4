package bitcart_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var plant = flag.Bool("chaos.plant", false, "TestPlantedBugs runs TestChaos with each bug; that takes minutes")

// planted are bugs that TestChaos has to find within 300 seeds. Each is one text of a file, and
// what stands there instead.
var planted = []struct{ name, file, right, wrong string }{
	{"what was seen before a connect is forgotten",
		"internal/replay/history.go", "h.holding, h.seen = true, len(h.items)", "h.holding, h.seen = true, 0"},
	{"what was missed goes before everything that is held",
		"internal/replay/history.go", "h.gone + max(0, s.place-h.seen)", "0"},
	{"what an answer has told is expected of the next one",
		"internal/replay/history.go", "h.items[max(r.last+1, h.fresh):]", "h.items"},
	{"the first missed update of an answer is lost",
		"internal/replay/reading.go", "case k >= leading:", "case k > leading:"},
	{"an answer that should hold something and does not is believed",
		"internal/replay/merged.go", "Expected: expected || later,", "Expected: false,"},
	{"a full answer is taken for complete",
		"internal/replay/merged.go", "case e.Items >= queueSize && !e.Whole:", "case e.Items > 10*queueSize && !e.Whole:"},
	{"a block that one wallet's answer brought is brought again by the next one's",
		"internal/replay/chainhistory.go", "\tc.insert(r.missed, answer)\n", ""},
	{"a wallet's place in the chain stays where it was",
		"internal/replay/chainhistory.go", "next.told = c.ids[last]", "_ = last"},
	{"equal contents are taken for one update",
		"internal/replay/align.go", "func (al *alignment) pair(i, k int) { al.toSeen[k], al.toAnswer[i] = int32(i), int32(k) }",
		"func (al *alignment) pair(i, k int) { al.toSeen[k] = int32(i) }"},
	{"recovered updates go before all live ones of the connection",
		"internal/queue/lane.go", "min(n, l.older+p.Before)", "min(n, l.older)"},
	{"an update that asks for another attempt goes to the end",
		"internal/queue/queue.go", "l.pushFront(it)", "l.append(it)"},
	{"an overflow goes unnoticed",
		"internal/queue/lane.go", "l.over = true\n\t\tl.enlist()", "l.enlist()"},
	{"a lane that is released is not handed over",
		"internal/queue/lane.go", "\tl.held, l.older = false, 0\n\tl.forgetIfIdle()\n\tl.enlist()\n", "\tl.held, l.older = false, 0\n\tl.forgetIfIdle()\n"},
	{"a held lane hands over",
		"internal/queue/lane.go", "func (l *Lane[T]) free() bool { return !l.held &&", "func (l *Lane[T]) free() bool { return"},
	{"what a call has brought for a wallet that was removed and added again is lost",
		"merge.go", "case !current.read && (", "case false && ("},
	{"two calls read a wallet's queue at once",
		"readings.go", "_, taken := r.wallets[key]; taken {", "_, taken := r.wallets[key]; taken && false {"},
	{"a wallet proves the chain that was not watched when blocks were dropped",
		"merge.go", "chainProven = r.reachesBack(w) &&", "chainProven = w.unbrokenQueue() &&"},
	{"a refill of the chain's lane that begins anew has forgotten since when",
		"refill.go", "if t.since.IsZero() || before.since.Before(t.since) {", "if false {"},
	{"a gap begins when the last frame was read",
		"websocket.go", "life := conn.ReadUpTo(); p", "life := conn.LastFrame(); p"},
}

// TestPlantedBugs: each planted bug is one place of the code, and with -chaos.plant TestChaos finds it.
func TestPlantedBugs(t *testing.T) {
	for _, bug := range planted {
		t.Run(bug.name, func(t *testing.T) {
			path, err := filepath.Abs(filepath.FromSlash(bug.file))
			require.NoError(t, err)
			code, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(code), bug.right), "the code has changed: plant the bug anew")
			if *plant {
				runPlanted(t, path, strings.Replace(string(code), bug.right, bug.wrong, 1))
			}
		})
	}
}

// runPlanted runs TestChaos with other code in place of a file.
func runPlanted(t *testing.T, path, code string) {
	dir := t.TempDir()
	wrong, overlay := filepath.Join(dir, "wrong.go"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(wrong, []byte(code), 0o600))
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{path: wrong}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, list, 0o600))
	binary := filepath.Join(dir, "planted.test")
	out, err := exec.Command("go", "test", "-overlay", overlay, "-c", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "it does not compile: %s", out)
	for seed := range 300 {
		_, err = exec.Command(binary, "-test.run", "^TestChaos$", "-test.timeout", "60s", "-chaos.seed", fmt.Sprint(seed)).CombinedOutput()
		if err != nil {
			t.Logf("found by seed %d", seed)
			return
		}
	}
	t.Error("300 seeds have not found it")
}
