package blockio_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
)

var hookSecret = []byte("correct-horse-9")

func hexMAC(secret []byte, message string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// TestHMACRepeatIsOneForTheSeen: what may be changed in a body without spoiling
// its signature does not make another event of it.
func TestHMACRepeatIsOneForTheSeen(t *testing.T) {
	const sent = `{"data":{"network":"BTC","txid":"�"},"type":"address"}`
	signature := hexMAC(hookSecret, sent)
	sink := takeEvents(blockio.EventAddress)
	rc := makeReceiver(t, sink, blockio.WithVerifier(blockio.HMAC(hookSecret)))
	require.Equal(t, 200, answer(rc, hook(signedBody(sent, signature))).Code)
	for _, body := range []string{
		sent,
		`{"type":"address", "data":{"txid":"�","network":"BTC"}}`,
		`{"type":"address","data":{"txid":"\ufffd","network":"BT\u0043"}}`,
		`{"type":"address","data":{"txid":"\ud800","network":"BTC"}}`,
		`{"type":"address","data":{"txid":"\udfff","network":"BTC"}}`,
	} {
		answer(rc, hook(signedBody(body, signature)))
		require.Len(t, sink.events, 1, body)
	}
}

// signedBody puts the signature of a body without one behind its last member.
func signedBody(body, signature string) string {
	return strings.TrimSuffix(body, "}") + `,"signature":"` + signature + `"}`
}

func TestHMAC(t *testing.T) {
	right := hexMAC(hookSecret, addressBody)
	const sorted = `{"a":{"x":[1,{"p":"\u00fc","q":2.50}],"y":"<&>"},"b":null}`
	const unsorted = `{ "b":null, "a":{"y":"<&>","x":[1, {"q":2.50,"p":"\u00fc"}]} }`
	sortedMAC := hexMAC(hookSecret, strings.Replace(sorted, `\u00fc`, "ü", 1))
	for _, test := range []struct {
		name    string
		secrets [][]byte
		body    string
		ok      bool
	}{
		{"cut at the end", [][]byte{hookSecret}, signedBody(addressBody, right), true},
		{"cut at the start", [][]byte{hookSecret}, `{"signature":"` + right + `",` + addressBody[1:], true},
		{"with spaces", [][]byte{hookSecret}, `{"a": 1, "signature": "` + hexMAC(hookSecret, `{"a": 1}`) + `"}`, true},
		{"nothing else", [][]byte{hookSecret}, `{"signature":"` + hexMAC(hookSecret, `{}`) + `"}`, true},
		{"sorted", [][]byte{hookSecret}, strings.TrimSuffix(unsorted, "}") + `, "signature":"` + sortedMAC + `"}`, true},
		{"sorted with a member twice", [][]byte{hookSecret}, `{"b":1,"a":2,"a":3,"signature":"` + hexMAC(hookSecret, `{"a":3,"b":1}`) + `"}`, false},
		{"old and new secret", [][]byte{[]byte("new"), hookSecret}, signedBody(addressBody, right), true},
		{"another secret", [][]byte{[]byte("new")}, signedBody(addressBody, right), false},
		{"no secret", nil, signedBody(addressBody, right), false},
		{"empty secret", [][]byte{{}, nil}, signedBody(addressBody, hexMAC(nil, addressBody)), false},
		{"an empty one beside a good one", [][]byte{nil, hookSecret}, signedBody(addressBody, right), true},
		{"changed", [][]byte{hookSecret}, signedBody(strings.Replace(addressBody, "0.01", "9.01", 1), right), false},
		{"upper case", [][]byte{hookSecret}, signedBody(addressBody, strings.ToUpper(right)), false},
		{"shortened", [][]byte{hookSecret}, signedBody(addressBody, right[:62]), false},
		{"empty", [][]byte{hookSecret}, signedBody(addressBody, ""), false},
		{"none", [][]byte{hookSecret}, addressBody, false},
		{"null", [][]byte{hookSecret}, strings.TrimSuffix(addressBody, "}") + `,"signature":null}`, false},
		{"in the data only", [][]byte{hookSecret}, `{"data":{"signature":"` + right + `"}}`, false},
		{"in the data as well", [][]byte{hookSecret}, signedBody(`{"data":{"signature":"x"}}`, hexMAC(hookSecret, `{"data":{"signature":"x"}}`)), true},
		{"two", [][]byte{hookSecret}, signedBody(signedBody(addressBody, right), right), false},
		{"two, the other escaped", [][]byte{hookSecret}, strings.TrimSuffix(signedBody(addressBody, right), "}") + `,"\u0073ignature":"x"}`, false},
		{"junk", [][]byte{hookSecret}, right, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			proof, err := blockio.HMAC(test.secrets...).Verify(t.Context(), hook(test.body), []byte(test.body))
			requireProof(t, test.ok, blockio.Signed, proof, err)
			if err != nil {
				require.NotContains(t, err.Error(), right)
			}
		})
	}
}

func TestHMACSecretsAreCopied(t *testing.T) {
	secret := []byte("correct-horse-9")
	v := blockio.HMAC(secret)
	clear(secret)
	body := signedBody(addressBody, hexMAC(hookSecret, addressBody))
	_, err := v.Verify(t.Context(), hook(body), []byte(body))
	require.NoError(t, err)
}

func TestSignature(t *testing.T) {
	want := hexMAC(hookSecret, addressBody)
	for _, body := range []string{addressBody, signedBody(addressBody, "x")} {
		got, err := blockio.Signature(hookSecret, []byte(body))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, body := range []string{"", "[]", `{"signature":1,"signature":2}`} {
		_, err := blockio.Signature(hookSecret, []byte(body))
		require.ErrorContains(t, err, "blockio: ")
	}
	_, err := blockio.Signature(nil, []byte(addressBody))
	require.ErrorContains(t, err, "blockio: ")
}

// TestReceiverOfSignedDeliveries is the whole way.
func TestReceiverOfSignedDeliveries(t *testing.T) {
	sink := takeEvents(blockio.EventAddress)
	rc := makeReceiver(t, sink, blockio.WithVerifier(blockio.HMAC(hookSecret)))
	require.Equal(t, 401, answer(rc, hook(addressBody)).Code)
	require.Equal(t, 401, answer(rc, hook(signedBody(addressBody, hexMAC([]byte("x"), addressBody)))).Code)
	require.Equal(t, 200, answer(rc, hook(signedBody(addressBody, hexMAC(hookSecret, addressBody)))).Code)
	d, _ := blockio.DeliveryFrom(sink.ctxs[0])
	require.Equal(t, blockio.Signed, d.Proof)
}

// FuzzHMAC: no change of a signed body passes, but one that leaves the same
// members in the same bytes or values.
func FuzzHMAC(f *testing.F) {
	good := signedBody(addressBody, hexMAC(hookSecret, addressBody))
	f.Add([]byte(good), uint(3), byte('x'))
	f.Add([]byte(good), uint(len(good)-1), byte(' '))
	f.Add([]byte(`{"signature":"x","signature":"y"}`), uint(0), byte('{'))
	f.Fuzz(func(t *testing.T, body []byte, at uint, c byte) {
		v := blockio.HMAC(hookSecret)
		_, _ = v.Verify(t.Context(), hook(""), body) // must not panic

		changed := []byte(good)
		i := int(at % uint(len(changed)))
		if changed[i] == c {
			return
		}
		changed[i] = c
		_, err := v.Verify(t.Context(), hook(""), changed)
		require.Error(t, err, "%q at %d", c, i)
	})
}
