package blockio

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"strings"
)

// Types of notifications. Those of TypeAccount tell of all addresses of the
// account, by events of type address.
const (
	TypeAccount   = "account"
	TypeAddress   = "address"
	TypeNewBlocks = "new-blocks"
)

// CreateRequest describes a notification to be created. It prints without the
// parts of its URL that may guard the web hook.
type CreateRequest struct {
	Type string // TypeAccount, TypeAddress or TypeNewBlocks
	// URL is the address of the web hook. The service posts a ping to it at once
	// and expects a status from 200 to 299, as a [Receiver] answers. User and
	// password in the URL are sent as Basic auth; a secret path or query can
	// guard the web hook as well.
	URL     string
	Address string // for TypeAddress only; the account need not own it
}

// String returns the type and the address, and the URL up to its host.
func (r CreateRequest) String() string {
	return strings.Join(strings.Fields(r.Type+" "+r.Address+" "+hiddenURL(r.URL)), " ")
}

// GoString is String.
func (r CreateRequest) GoString() string { return "blockio.CreateRequest(" + r.String() + ")" }

// Format prints String for every verb.
func (r CreateRequest) Format(f fmt.State, _ rune) { writeSafe(f, r.String()) }

// LogValue is String as a slog value.
func (r CreateRequest) LogValue() slog.Value { return slogText(r.String()) }

// MarshalJSON encodes String.
func (r CreateRequest) MarshalJSON() ([]byte, error) { return marshalText(r.String()) }

// Notification is a web hook of the account. It prints, also as JSON, without
// the parts of its URL that may guard the web hook: to store one, store its URL
// and ID.
type Notification struct {
	Network string // "BTC": the key's
	ID      string
	Type    string
	Enabled bool
	URL     string
	Address string          // "" where the service does not say it
	Raw     json.RawMessage // as received; it holds the URL
}

// String describes the notification, with the URL up to its host.
func (n Notification) String() string {
	state := "disabled"
	if n.Enabled {
		state = "enabled"
	}
	text := fmt.Sprintf("notification %s %s %s %s %s %s", n.ID, n.Network, n.Type, n.Address, state, hiddenURL(n.URL))
	return strings.Join(strings.Fields(text), " ")
}

// GoString is String.
func (n Notification) GoString() string { return "blockio.Notification(" + n.String() + ")" }

// Format prints String for every verb.
func (n Notification) Format(f fmt.State, _ rune) { writeSafe(f, n.String()) }

// LogValue is String as a slog value.
func (n Notification) LogValue() slog.Value { return slogText(n.String()) }

// MarshalJSON encodes String. Raw is the service's JSON.
func (n Notification) MarshalJSON() ([]byte, error) { return marshalText(n.String()) }

// UnmarshalJSON decodes what the service answers.
func (n *Notification) UnmarshalJSON(data []byte) error {
	members, err := objectMembers(data)
	if err != nil {
		return err
	}
	next := Notification{Raw: bytes.Clone(data)}
	if err := cmp.Or(
		member("network", readText(members["network"], &next.Network)),
		member("notification_id", readText(members["notification_id"], &next.ID)),
		member("type", readText(members["type"], &next.Type)),
		member("enabled", readBool(members["enabled"], &next.Enabled)),
		member("url", readText(members["url"], &next.URL)),
		member("address", readText(members["address"], &next.Address)),
	); err != nil {
		return err
	}
	if next.ID == "" {
		return member("notification_id", errMissing)
	}
	*n = next
	return nil
}

var (
	errMissing    = errors.New("missing")
	errNoHookURL  = errors.New("blockio: URL is not an absolute http or https URL")
	errNoNotType  = errors.New("blockio: Type is required")
	errNoAddress  = errors.New("blockio: type address requires an Address")
	errNotAddress = errors.New("blockio: Address goes with type address only")
	errIDRequired = errors.New("blockio: a notification id is required")
	errID         = errors.New("blockio: a notification id cannot be empty or have a comma")
	errPage       = errors.New("blockio: page is negative")
)

// CreateNotification creates a notification. The service posts a ping to the
// URL before it answers, so the web hook must be up. There can be one
// notification for each type and URL; [Client.EnsureNotification] reuses it.
//
// Nothing is repeated. After an error that matches bitcart.ErrMaybeSent the
// notification may exist. ctx bounds the call, including the service's ping.
func (c *Client) CreateNotification(ctx context.Context, r CreateRequest) (Notification, error) {
	params, err := r.params()
	if err != nil {
		return Notification{}, err
	}
	data, err := c.call(ctx, "create_notification", params)
	return c.one("create_notification", params, data, err)
}

func (r CreateRequest) params() (map[string]any, error) {
	if r.Type == "" {
		return nil, errNoNotType
	}
	if u, err := url.Parse(r.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errNoHookURL
	}
	params := map[string]any{"type": r.Type, "url": r.URL}
	switch {
	case r.Type == TypeAddress && r.Address == "":
		return nil, errNoAddress
	case r.Type == TypeAddress:
		params["address"] = r.Address
	case r.Address != "":
		return nil, errNotAddress
	}
	return params, nil
}

// EnableNotification makes the service deliver again. It may be repeated after
// a failure, see [WithRetry]; ctx bounds all tries.
func (c *Client) EnableNotification(ctx context.Context, id string) (Notification, error) {
	return c.change(ctx, "enable_notification", id)
}

// DisableNotification makes the service deliver nothing until the notification
// is enabled again. What happens meanwhile is not delivered later. It may be
// repeated after a failure, see [WithRetry]; ctx bounds all tries.
func (c *Client) DisableNotification(ctx context.Context, id string) (Notification, error) {
	return c.change(ctx, "disable_notification", id)
}

func (c *Client) change(ctx context.Context, method, id string) (Notification, error) {
	if id == "" {
		return Notification{}, errIDRequired
	}
	params := map[string]any{"notification_id": id}
	data, err := c.repeatable(ctx, method, params)
	return c.one(method, params, data, err)
}

// DeleteNotification deletes a notification for good. Nothing is repeated:
// the service refuses to delete it twice. ctx bounds the call.
func (c *Client) DeleteNotification(ctx context.Context, id string) error {
	if id == "" {
		return errIDRequired
	}
	_, err := c.call(ctx, "delete_notification", map[string]any{"notification_id": id})
	return err
}

// ListNotifications returns one page of the account's notifications, enabled
// and disabled ones. Page 0 leaves the page to the service, which returns its
// first one. A page holds up to 2500. With ids, only those are listed. An
// account without notifications, or a page behind the last one, is an empty
// list and no error. It may be repeated after a failure, see [WithRetry]; ctx
// bounds all tries.
func (c *Client) ListNotifications(ctx context.Context, page int, ids ...string) ([]Notification, error) {
	const method = "list_notifications"
	params, err := listParams(page, ids)
	if err != nil {
		return nil, err
	}
	data, err := c.repeatable(ctx, method, params)
	if isEmptyList(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := decodeList[Notification](data, "notifications")
	if err != nil {
		return nil, c.secretsOf(params).noAnswer(method, true, err)
	}
	return list, nil
}

func listParams(page int, ids []string) (map[string]any, error) {
	params := map[string]any{}
	switch {
	case page < 0:
		return nil, errPage
	case page > 0:
		params["page"] = page
	}
	for _, id := range ids {
		if id == "" || strings.Contains(id, ",") {
			return nil, errID
		}
	}
	if len(ids) > 0 {
		params["notification_ids"] = strings.Join(ids, ",")
	}
	return params, nil
}

// isEmptyList: the service answers an empty list as a failure.
func isEmptyList(err error) bool {
	var answer *APIError
	return errors.As(err, &answer) &&
		strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer.Message)), "no valid notifications found")
}

// Notifications yields the account's notifications, or those with the given
// ids, over all pages. An error ends the iteration. Notifications that are
// created or deleted meanwhile may be missed. It asks for one page more than
// there are, because a page that is not full need not be the last one
// everywhere. ctx bounds all calls.
func (c *Client) Notifications(ctx context.Context, ids ...string) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		seen := map[string]bool{}
		for page := 0; ; page = max(page, 1) + 1 { // page 1 is what 0 has listed
			list, err := c.ListNotifications(ctx, page, ids...)
			if err != nil {
				yield(Notification{}, err)
				return
			}
			before := len(seen)
			for _, n := range list {
				if seen[n.ID] {
					continue
				}
				seen[n.ID] = true
				if !yield(n, nil) {
					return
				}
			}
			if len(seen) == before {
				return // nothing new: the end, or a service that does not count pages
			}
		}
	}
}

// one decodes an answer that is a notification.
func (c *Client) one(method string, params map[string]any, data json.RawMessage, err error) (Notification, error) {
	if err != nil {
		return Notification{}, err
	}
	list, err := decodeList[Notification](data, "notifications")
	if err == nil && len(list) != 1 {
		err = errBadAnswer
	}
	if err != nil {
		return Notification{}, c.secretsOf(params).noAnswer(method, true, err)
	}
	return list[0], nil
}
