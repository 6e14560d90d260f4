package blockiotest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// account is one API key: the service has a key for each network.
type account struct {
	key, network  string
	addresses     map[string]bool
	notifications []*notification // in the order of creation
}

func newAccount(c accountConfig) *account {
	a := &account{key: c.key, network: c.network, addresses: map[string]bool{}}
	for _, address := range c.addresses {
		a.addresses[address] = true
	}
	return a
}

// Notification is a notification as the service knows it.
type Notification struct {
	ID, Network, Type, URL string
	Address                string // of type address, otherwise ""
	Enabled                bool
}

// notification is guarded by Service.mu, like its account.
type notification struct {
	Notification
	target  *url.URL // of URL
	sending int      // deliveries under way
	recent  []*delivery
}

// maxNotifications bounds an account.
const maxNotifications = 100_000

// AddAddress makes an address one of an account's own: notifications of type
// account tell of it from now on.
func (s *Service) AddAddress(key, address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[key]
	if a == nil {
		return errors.New("blockiotest: unknown account")
	}
	a.addresses[address] = true
	return nil
}

// AddNotification adds an enabled notification to an account without a call
// and without a ping. ID and Network are chosen by the service.
func (s *Service) AddNotification(key string, n Notification) (Notification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[key]
	if a == nil {
		return Notification{}, errors.New("blockiotest: unknown account")
	}
	n.Enabled = true
	added, err := s.add(a, n)
	if err != nil {
		return Notification{}, errors.New("blockiotest: " + err.Error())
	}
	return added.Notification, nil
}

// Notifications lists the notifications of an account in the order of creation.
func (s *Service) Notifications(key string) []Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[key]
	if a == nil {
		return nil
	}
	list := make([]Notification, len(a.notifications))
	for i, n := range a.notifications {
		list[i] = n.Notification
	}
	return list
}

// add checks and adds a notification. The caller holds mu.
func (s *Service) add(a *account, n Notification) (*notification, error) {
	target, err := checkNotification(&n)
	if err != nil {
		return nil, err
	}
	if err := a.hasRoom(n); err != nil {
		return nil, err
	}
	n.Network, n.ID = a.network, s.newID("notification")
	added := &notification{Notification: n, target: target}
	a.notifications = append(a.notifications, added)
	s.notifyChange()
	return added, nil
}

// hasRoom: an account has one notification for each type and URL.
func (a *account) hasRoom(n Notification) error {
	if len(a.notifications) >= maxNotifications {
		return refused("Too many notifications.")
	}
	for _, other := range a.notifications {
		if other.Type == n.Type && other.URL == n.URL {
			return refused("A notification of this type exists already for this URL.")
		}
	}
	return nil
}

// checkNotification returns the URL to post to. Errors are texts of the service.
func checkNotification(n *Notification) (*url.URL, error) {
	switch n.Type {
	case "address":
		if n.Address == "" {
			return nil, refused("An address is required.")
		}
	case "account", "new-blocks":
		n.Address = ""
	default:
		return nil, refused("The notification type must be account, address or new-blocks.")
	}
	target, err := url.Parse(n.URL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, refused("The URL is not valid.")
	}
	return target, nil
}

// newID returns an id that looks like the service's. The caller holds mu.
func (s *Service) newID(kind string) string {
	s.lastID++
	sum := sha256.Sum256([]byte(kind + strconv.Itoa(s.lastID)))
	return hex.EncodeToString(sum[:12])
}

// notification finds one by its id. The caller holds mu.
func (s *Service) notification(id string) *notification {
	for _, a := range s.accounts {
		if n := a.find(id); n != nil {
			return n
		}
	}
	return nil
}

func (a *account) find(id string) *notification {
	for _, n := range a.notifications {
		if n.ID == id {
			return n
		}
	}
	return nil
}

func (a *account) remove(id string) {
	a.notifications = slices.DeleteFunc(a.notifications, func(n *notification) bool { return n.ID == id })
}

// interested lists the enabled notifications that an event belongs to. The
// caller holds mu.
func (s *Service) interested(network, typ, address string) []*notification {
	var list []*notification
	for _, a := range s.accounts {
		if !strings.EqualFold(a.network, network) {
			continue
		}
		for _, n := range a.notifications {
			if n.Enabled && n.wants(typ, address, a.addresses[address]) {
				list = append(list, n)
			}
		}
	}
	return list
}

// wants: notifications of type account send events of type address.
func (n *notification) wants(typ, address string, own bool) bool {
	switch n.Type {
	case "account":
		return typ == "address" && own
	case "address":
		return typ == "address" && n.Address == address
	}
	return n.Type == typ
}

// answer is a notification as the endpoints answer it.
type answer struct {
	Network string `json:"network"`
	ID      string `json:"notification_id"`
	Type    string `json:"type"`
	Enabled bool   `json:"enabled"`
	URL     string `json:"url"`
	Address string `json:"address,omitempty"` // in lists
}

func (n *notification) answer() answer {
	return answer{Network: n.Network, ID: n.ID, Type: n.Type, Enabled: n.Enabled, URL: n.URL}
}

func (n *notification) listed(withAddress bool) answer {
	a := n.answer()
	if withAddress {
		a.Address = n.Address
	}
	return a
}

// recentEvent is a line of get_recent_notification_events.
type recentEvent struct {
	EventID        string          `json:"event_id,omitempty"`
	NotificationID string          `json:"notification_id"`
	Attempt        int             `json:"delivery_attempt"`
	Type           string          `json:"type"`
	Data           json.RawMessage `json:"data"`
	CreatedAt      int64           `json:"created_at"`
	Delivered      bool            `json:"delivered"`
}

func (d *delivery) recent(eventIDs bool) recentEvent {
	e := recentEvent{
		NotificationID: d.to.ID, Attempt: d.attempt, Type: d.typ, Data: d.data,
		CreatedAt: d.created.Truncate(time.Second).Unix(), Delivered: d.delivered,
	}
	if eventIDs {
		e.EventID = d.eventID
	}
	return e
}
