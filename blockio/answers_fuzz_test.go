package blockio

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzAnswer(f *testing.F) {
	f.Add(golden(f, "answer-create.json"), 200)
	f.Add([]byte(`{"status":"success","data":{"network":"BTC","notifications":[{"notification_id":1},{}]}}`), 200)
	f.Add([]byte(`{"status":"success","data":{"events":[null,5,{"type":"address","data":{}}]}}`), 200)
	f.Add([]byte(`{"status":"fail","data":{"error_message":"see http://u:p@h/x"}}`), 429)
	f.Add(golden(f, "socket-fail.json"), 500)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		data, err := reply{status: status, body: body}.data("m", nil)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		if list, err := decodeList[Notification](data, "notifications"); err == nil {
			for _, n := range list {
				require.NotEmpty(t, n.ID)
				require.True(t, json.Valid(n.Raw))
				require.NotEmpty(t, n.String())
			}
		}
		if list, err := decodeList[RecentEvent](data, "events"); err == nil {
			for _, e := range list {
				require.True(t, json.Valid(e.Raw))
				_, _ = e.Update()
			}
		}
	})
}

func FuzzCleanTexts(f *testing.F) {
	f.Add("the key s3cret-k3y is bad", "s3cret-k3y")
	f.Add("http://u:s3cret@h/p?q=1", "s3cret")
	f.Add("%73%33cret", "s3cret")
	f.Fuzz(func(t *testing.T, text, secret string) {
		if len(secret) < 4 || !strings.ContainsAny(secret, "0123456789") || strings.Contains(secret, "*") {
			return // no secret, or a part of the words that stand for one
		}
		var s secrets
		s.hide(secret)
		require.NotContains(t, s.clean(text), secret)
	})
}
