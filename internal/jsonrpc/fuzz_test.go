package jsonrpc

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzDecodeAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc": "2.0", "result": "4.5.0", "id": 7}`,
		`{"jsonrpc": "2.0", "result": null, "id": 7}`,
		`{"jsonrpc": "2.0", "error": {"code": -32003, "message": "Exception: Request not found"}, "id": 7}`,
		`{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Unauthorized"}, "id": null}`,
		`{"error":{"message":5},"result":[1,{"a":"b"}],"id":7}`,
		`{"ID":7,"Result":1}`, `{"result":25000000000000000000,"id":7.0}`, `null`, `[]`, ``, "\ufeff{}", `{"result":"\ud800","id":7}`,
	} {
		f.Add([]byte(seed))
	}
	const id = 7
	f.Fuzz(func(t *testing.T, body []byte) {
		original := string(body)
		result, err := decodeAnswer(body, id)
		require.Equal(t, original, string(body))
		var answer *Error
		switch {
		case err == nil:
			require.True(t, json.Valid(body))
			require.True(t, json.Valid(result))
			for i := range body { // a result must not share memory with a borrowed buffer
				body[i] = '!'
			}
			require.True(t, json.Valid(result))
		case errors.As(err, &answer):
			require.Nil(t, result)
			require.True(t, json.Valid(body))
		default:
			require.Nil(t, result)
			require.ErrorIs(t, err, ErrBadAnswer)
			require.Less(t, len(err.Error()), 100)
		}
	})
}

func FuzzDecodeSpec(f *testing.F) {
	for _, seed := range []string{
		`{"version":"4.5.0","electrum_map":{"a":-1},"exceptions":{"-32000":{"exc_name":"WalletNotLoadedError","docstring":"x"}},"capabilities":{"lightning":false}}`,
		`{"version":"","exceptions":{"x":{"exc_name":"","docstring":""}}}`,
		`{"version":"","exceptions":{"1":null}}`, `{"version":1}`, `{"jsonrpc":"2.0","error":{"code":-32600,"message":"Unauthorized"},"id":null}`,
		`{"version":"","exceptions":{},"capabilities":[true]}`, `null`, ``, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		spec, err := decodeSpec(body)
		if err != nil {
			require.Nil(t, spec)
			require.ErrorIs(t, err, ErrBadAnswer)
			return
		}
		original := string(body)
		for i := range body { // a spec must not share memory with a borrowed buffer
			body[i] = '!'
		}
		require.Equal(t, original, string(spec.Raw))
		require.True(t, json.Valid(spec.Raw))
		require.NotNil(t, spec.Exceptions)
	})
}

func FuzzEncodeRequest(f *testing.F) {
	for _, seed := range []string{"getbalance", "", `"`, `\`, "\x00\n", "\xff", "\u2028", "<>&"} {
		f.Add(seed, uint64(1))
	}
	f.Fuzz(func(t *testing.T, method string, id uint64) {
		body := encodeRequest(id, method, json.RawMessage(`["1"]`))
		want, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": method, "params": []string{"1"}, "id": id})
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(body))
	})
}
