package blockio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
)

func TestBasicAuth(t *testing.T) {
	type credentials struct{ user, password string }
	for _, test := range []struct {
		name      string
		want, got credentials
		header    string
		ok        bool
	}{
		{"right", credentials{"u", "p"}, credentials{"u", "p"}, "", true},
		{"colon in the password", credentials{"u", "p:q"}, credentials{"u", "p:q"}, "", true},
		{"no user", credentials{"", "p"}, credentials{"", "p"}, "", true},
		{"wrong password", credentials{"u", "p"}, credentials{"u", "q"}, "", false},
		{"longer password", credentials{"u", "p"}, credentials{"u", "pp"}, "", false},
		{"no password", credentials{"u", "p"}, credentials{"u", ""}, "", false},
		{"wrong user", credentials{"u", "p"}, credentials{"v", "p"}, "", false},
		{"moved border", credentials{"u", "vp"}, credentials{"uv", "p"}, "", false},
		{"nothing set", credentials{}, credentials{}, "", false},
		{"password not set", credentials{"u", ""}, credentials{"u", ""}, "", false},
		{"no header", credentials{"u", "p"}, credentials{}, "-", false},
		{"another scheme", credentials{"u", "p"}, credentials{}, "Bearer dTpw", false},
		{"no base64", credentials{"u", "p"}, credentials{}, "Basic u:p", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := hook(addressBody)
			switch test.header {
			case "":
				r.SetBasicAuth(test.got.user, test.got.password)
			case "-":
			default:
				r.Header.Set("Authorization", test.header)
			}
			proof, err := blockio.BasicAuth(test.want.user, test.want.password).Verify(t.Context(), r, nil)
			requireProof(t, test.ok, blockio.SourceOnly, proof, err)
		})
	}
}

func requireProof(t *testing.T, ok bool, want, proof blockio.Proof, err error) {
	t.Helper()
	if !ok {
		require.Error(t, err)
		require.Equal(t, blockio.Unverified, proof)
		return
	}
	require.NoError(t, err)
	require.Equal(t, want, proof)
}

func TestAllOfAndAnyOf(t *testing.T) {
	no := refuse(errors.New("no"))
	none, source, signed, confirmed := pass(blockio.Unverified), pass(blockio.SourceOnly), pass(blockio.Signed), pass(blockio.Confirmed)
	type list = []blockio.Verifier
	for _, test := range []struct {
		name     string
		verifier blockio.Verifier
		ok       bool
		want     blockio.Proof
	}{
		{"all of nothing", blockio.AllOf(), false, 0},
		{"any of nothing", blockio.AnyOf(), false, 0},
		{"all of a nil", blockio.AllOf(list{signed, nil}...), false, 0},
		{"any of a nil", blockio.AnyOf(list{nil}...), false, 0},
		{"any of a nil and another", blockio.AnyOf(list{nil, source}...), true, blockio.SourceOnly},
		{"all: strongest", blockio.AllOf(source, signed, none), true, blockio.Signed},
		{"all: one refuses", blockio.AllOf(source, signed, no), false, 0},
		{"all: first refuses", blockio.AllOf(no, confirmed), false, 0},
		{"all of one", blockio.AllOf(none), true, blockio.Unverified},
		{"any: strongest", blockio.AnyOf(source, signed, none), true, blockio.Signed},
		{"any: strongest of those that pass", blockio.AnyOf(no, source, no), true, blockio.SourceOnly},
		{"any: all refuse", blockio.AnyOf(no, no), false, 0},
		{"any: a level without proof passes", blockio.AnyOf(no, none), true, blockio.Unverified},
		{"nested", blockio.AllOf(blockio.AnyOf(no, source), blockio.AnyOf(signed, no)), true, blockio.Signed},
		{"nested and empty", blockio.AnyOf(blockio.AllOf(), blockio.AnyOf()), false, 0},
		{"a panic refuses", blockio.AnyOf(blockio.VerifierFunc(nil), source), true, blockio.SourceOnly},
	} {
		t.Run(test.name, func(t *testing.T) {
			proof, err := test.verifier.Verify(t.Context(), hook(addressBody), []byte(addressBody))
			requireProof(t, test.ok, test.want, proof, err)
		})
	}
}

// TestVerifiersInOrder: those that make calls are asked when they matter.
func TestVerifiersInOrder(t *testing.T) {
	var asked string
	note := func(name string, p blockio.Proof, err error) blockio.Verifier {
		return blockio.VerifierFunc(func(context.Context, *http.Request, []byte) (blockio.Proof, error) {
			asked += name
			return p, err
		})
	}
	a, no, c := note("a", blockio.SourceOnly, nil), note("n", blockio.Unverified, errors.New("no")), note("c", blockio.Confirmed, nil)
	for _, test := range []struct {
		verifier blockio.Verifier
		want     string
	}{
		{blockio.AllOf(a, no, c), "an"},
		{blockio.AllOf(a, c, a), "aca"},
		{blockio.AnyOf(a, no, c, a), "anc"},
	} {
		asked = ""
		_, _ = test.verifier.Verify(t.Context(), hook(""), nil)
		require.Equal(t, test.want, asked)
	}
}

// TestAnyOfSaysWhy: each of those that refused.
func TestAnyOfSaysWhy(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	_, err := blockio.AnyOf(refuse(first), refuse(second)).Verify(t.Context(), hook(""), nil)
	require.ErrorIs(t, err, first)
	require.ErrorIs(t, err, second)
	_, err = blockio.BasicAuth("shop", "correct-horse-9").Verify(t.Context(), hook(""), nil)
	require.ErrorContains(t, err, "no Basic credentials")
	_, err = blockio.HMAC().Verify(t.Context(), hook(""), []byte(addressBody))
	require.ErrorContains(t, err, "no secret")
}

// TestVerifierListsAreCopied: changing the list later changes nothing.
func TestVerifierListsAreCopied(t *testing.T) {
	for _, make := range []func(...blockio.Verifier) blockio.Verifier{blockio.AllOf, blockio.AnyOf} {
		list := []blockio.Verifier{refuse(errors.New("no"))}
		v := make(list...)
		list[0] = pass(blockio.Confirmed)
		_, err := v.Verify(t.Context(), hook(""), nil)
		require.Error(t, err)
	}
}

func TestProofs(t *testing.T) {
	require.True(t, blockio.Unverified < blockio.SourceOnly && blockio.SourceOnly < blockio.Signed && blockio.Signed < blockio.Confirmed)
	require.Equal(t, "unverified, source only, signed, confirmed, Proof(9)",
		fmt.Sprintf("%v, %v, %v, %v, %v", blockio.Unverified, blockio.SourceOnly, blockio.Signed, blockio.Confirmed, blockio.Proof(9)))
}

// TestVerifiersPrintNoSecrets: under no verb.
func TestVerifiersPrintNoSecrets(t *testing.T) {
	const secret = "correct-horse-9"
	for _, v := range []blockio.Verifier{blockio.BasicAuth("shop", secret), blockio.HMAC([]byte(secret)), blockio.AllOf(blockio.BasicAuth("shop", secret))} {
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %x", v, v, v, v), secret)
	}
}
