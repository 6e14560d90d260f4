package blockio

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// Proof is how well it is proven that a delivery comes from the service. Levels
// grow in strength.
type Proof uint8

// Levels of proof, each stronger than the one before.
const (
	Unverified Proof = iota // anybody can have sent it
	SourceOnly              // the sender's address or credentials are right; the body is not proven
	Signed                  // the body was signed with a secret that you share with the sender
	Confirmed               // the fact was fetched from the service's API
)

var proofNames = [...]string{"unverified", "source only", "signed", "confirmed"}

// String returns the level in words, such as "source only".
func (p Proof) String() string {
	if int(p) < len(proofNames) {
		return proofNames[p]
	}
	return fmt.Sprintf("Proof(%d)", uint8(p))
}

// Verifier checks whether a delivery comes from the service. An error refuses
// the delivery: it is answered 401, and the service sends it again later. The
// error is logged without the request's credentials.
//
// The request's body has been read and is passed as body, which must not be
// changed. ctx ends when the sender hangs up. A Verifier is called by many
// requests at the same time.
//
// How the service computes its own signature is published nowhere. What can be
// checked is what SourceAddrs, BasicAuth, HMAC and Confirm check, alone or
// combined by AllOf and AnyOf.
type Verifier interface {
	Verify(ctx context.Context, r *http.Request, body []byte) (Proof, error)
}

// VerifierFunc is a function that is a Verifier.
type VerifierFunc func(ctx context.Context, r *http.Request, body []byte) (Proof, error)

// Verify calls f.
func (f VerifierFunc) Verify(ctx context.Context, r *http.Request, body []byte) (Proof, error) {
	return f(ctx, r, body)
}

var (
	errNoVerifier       = errors.New("no verifier")
	errNoCredentials    = errors.New("no Basic credentials")
	errWrongCredentials = errors.New("wrong Basic credentials")
)

// BasicAuth returns a Verifier for the user and password in the notification's
// URL (https://user:password@host/path). Its level is SourceOnly. They are
// compared in constant time. An empty password, which may be a forgotten
// setting, refuses everything.
func BasicAuth(user, password string) Verifier {
	set := password != ""
	wantUser, wantPassword := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	return VerifierFunc(func(_ context.Context, r *http.Request, _ []byte) (Proof, error) {
		gotUser, gotPassword, ok := r.BasicAuth()
		if !ok {
			return Unverified, errNoCredentials
		}
		// Digests are of one length, so that not even a length shows.
		u, p := sha256.Sum256([]byte(gotUser)), sha256.Sum256([]byte(gotPassword))
		sameUser, samePassword := hmac.Equal(u[:], wantUser[:]), hmac.Equal(p[:], wantPassword[:])
		if !set || !sameUser || !samePassword {
			return Unverified, errWrongCredentials
		}
		return SourceOnly, nil
	})
}

// AllOf returns a Verifier that accepts what every one of vs accepts, with the
// strongest of their levels. They are asked in order, up to the first refusal:
// put those that make calls last. Without vs it refuses everything.
func AllOf(vs ...Verifier) Verifier {
	vs = slices.Clone(vs)
	return VerifierFunc(func(ctx context.Context, r *http.Request, body []byte) (Proof, error) {
		if len(vs) == 0 {
			return Unverified, errNoVerifier
		}
		strongest := Unverified
		for _, v := range vs {
			proof, err := verify(ctx, v, r, body)
			if err != nil {
				return Unverified, err
			}
			strongest = max(strongest, proof)
		}
		return strongest, nil
	})
}

// AnyOf returns a Verifier that accepts what at least one of vs accepts, with
// the strongest level of those that do. They are asked in order, until one
// answers Confirmed or all have answered. Without vs it refuses everything.
func AnyOf(vs ...Verifier) Verifier {
	vs = slices.Clone(vs)
	return VerifierFunc(func(ctx context.Context, r *http.Request, body []byte) (Proof, error) {
		strongest, passed := Unverified, false
		errs := []error{}
		for _, v := range vs {
			proof, err := verify(ctx, v, r, body)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			strongest, passed = max(strongest, proof), true
			if proof >= Confirmed {
				break // nothing is stronger
			}
		}
		switch {
		case passed:
			return strongest, nil
		case len(errs) == 0:
			return Unverified, errNoVerifier
		}
		return Unverified, errors.Join(errs...)
	})
}

// verify takes a nil Verifier and a panic of one as refusals.
func verify(ctx context.Context, v Verifier, r *http.Request, body []byte) (proof Proof, err error) {
	if v == nil {
		return Unverified, errNoVerifier
	}
	defer func() {
		if value := recover(); value != nil {
			// The value is not shown: it can quote what was compared.
			proof, err = Unverified, fmt.Errorf("the verifier panicked with a %T", value)
		}
	}()
	return v.Verify(ctx, r, body)
}
