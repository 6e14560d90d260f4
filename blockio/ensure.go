package blockio

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/bitcart-go/bitcart"
)

// EnsureNotification returns an enabled notification of r's type, URL and
// address: an existing one, which it enables if necessary, or a new one;
// created says which. A listed notification without an address counts as the
// one of its type and URL. The spelling of the URL's host and of a hexadecimal
// or bech32 address makes no difference. Concurrent callers get the same
// notification.
//
// The service allows one notification for each type and URL, so each further
// address needs a URL of its own, for example with a different query. ctx
// bounds all calls, including the service's ping; the call that creates is not
// repeated.
func (c *Client) EnsureNotification(ctx context.Context, r CreateRequest) (n Notification, created bool, err error) {
	if _, err := r.params(); err != nil {
		return Notification{}, false, err
	}
	ctx = orBackground(ctx)
	n, found, err := c.reuse(ctx, r)
	if err != nil || found {
		return n, false, err
	}
	n, err = c.CreateNotification(ctx, r)
	if err == nil || ctx.Err() != nil {
		return n, err == nil, err
	}
	// Somebody else may have been faster, or the answer was lost: then the
	// notification is there now.
	n, found, again := c.reuse(ctx, r)
	if again == nil && found {
		return n, errors.Is(err, bitcart.ErrMaybeSent), nil
	}
	return Notification{}, false, err
}

// reuse finds a notification and enables it.
func (c *Client) reuse(ctx context.Context, r CreateRequest) (_ Notification, found bool, _ error) {
	n, found, err := c.find(ctx, r)
	if err != nil || !found || n.Enabled {
		return n, found, err
	}
	enabled, err := c.EnableNotification(ctx, n.ID)
	if err != nil {
		return Notification{}, false, err
	}
	return enabled, true, nil
}

func (c *Client) find(ctx context.Context, r CreateRequest) (Notification, bool, error) {
	for n, err := range c.Notifications(ctx) {
		if err != nil {
			return Notification{}, false, err
		}
		if r.matches(n) {
			return n, true, nil
		}
	}
	return Notification{}, false, nil
}

func (r CreateRequest) matches(n Notification) bool {
	if n.Type != r.Type || !sameURL(n.URL, r.URL) {
		return false
	}
	return r.Type != TypeAddress || n.Address == "" || foldAddress(n.Address) == foldAddress(r.Address)
}

// sameURL: the service may have parsed and written the URL anew.
func sameURL(a, b string) bool {
	if a == b {
		return true
	}
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && usualURL(*ua) == usualURL(*ub)
}

// usualURL has a host without case, no port that the scheme implies, and a
// path: what a rewritten URL differs in while it is the same one.
func usualURL(u url.URL) string {
	u.Host = strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
