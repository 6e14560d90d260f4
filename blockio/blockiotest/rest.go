package blockiotest

import (
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	apiPath     = "/api/v2/"
	maxCallBody = 1 << 20
)

// Call is one REST call.
type Call struct {
	Method     string            // the endpoint: "create_notification"
	HTTPMethod string            // GET or POST
	RawQuery   string            // where a key must not stand
	Params     map[string]string // of query and body, the key included
}

// Calls lists the calls of the named methods, or all of them, in order.
func (s *Service) Calls(methods ...string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Call
	for _, c := range s.calls {
		if len(methods) == 0 || slices.Contains(methods, c.Method) {
			list = append(list, c)
		}
	}
	return list
}

// endpoints are the methods of the service. Each is called without mu.
var endpoints = map[string]func(s *Service, a *account, params map[string]string) (any, error){
	"create_notification":            (*Service).create,
	"enable_notification":            (*Service).enable,
	"disable_notification":           (*Service).disable,
	"delete_notification":            (*Service).delete,
	"list_notifications":             (*Service).list,
	"get_recent_notification_events": (*Service).recentEvents,
}

// refused is a text of the service.
type refused string

func (r refused) Error() string { return string(r) }

// Texts of the service's failures.
const (
	errKey        = refused("API key invalid, or this machine's IP address is not among the IP addresses that the account allows.")
	errMethod     = refused("There is no such method.")
	errRequest    = refused("The request cannot be read.")
	errUnknownID  = refused("The notification ID is not valid.")
	errNoneFound  = refused("No valid notifications found for this account.")
	errPingFailed = refused("The URL did not answer the test request with a status between 200 and 299.")
	errPage       = refused("The page is not valid.")
)

func (s *Service) serveREST(w http.ResponseWriter, r *http.Request) {
	call, err := readCall(w, r)
	s.note(call)
	s.mu.Lock()
	fault, faulty := s.faults.next(call.Method)
	s.mu.Unlock()
	switch {
	case faulty && fault.status != 0:
		fault.write(w)
		return
	case faulty && !fault.ran:
		hangUp(w)
		return
	}
	if err == nil {
		var data any
		if data, err = s.call(r, call); err == nil {
			deliver(w, http.StatusOK, map[string]any{"status": "success", "data": data}, fault)
			return
		}
	}
	status := http.StatusNotFound
	if err == errKey {
		status = http.StatusForbidden
	}
	deliver(w, status, json.RawMessage(failure(err.Error())), fault)
}

// call runs an endpoint.
func (s *Service) call(r *http.Request, call Call) (any, error) {
	run := endpoints[call.Method]
	if run == nil {
		return nil, errMethod
	}
	s.mu.Lock()
	a := s.accounts[call.Params["api_key"]]
	s.mu.Unlock()
	if a == nil || !s.allows(r.RemoteAddr) {
		return nil, errKey
	}
	return run(s, a, call.Params)
}

// allows looks at the account's list of addresses.
func (s *Service) allows(remote string) bool {
	if s.cfg.allowed == nil {
		return true
	}
	from, err := netip.ParseAddrPort(remote)
	return err == nil && slices.ContainsFunc(s.cfg.allowed, func(p netip.Prefix) bool {
		return p.Contains(from.Addr().Unmap())
	})
}

func (s *Service) note(call Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	if len(s.calls) > maxLog {
		s.calls = slices.Delete(s.calls, 0, len(s.calls)-maxLog)
	}
	s.notifyChange()
}

// deliver writes an answer, or the first half of it.
func deliver(w http.ResponseWriter, status int, answer any, fault requestFault) {
	if fault.cut {
		hangUp(w)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if fault.half {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		hangUp(w)
		return
	}
	_, _ = w.Write(body)
}

// hangUp closes the connection, after what was written.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func (f requestFault) write(w http.ResponseWriter) {
	kind := "text/html"
	if strings.HasPrefix(f.body, "{") {
		kind = "application/json"
	}
	w.Header().Set("Content-Type", kind)
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.retryAfter.Seconds())))
	}
	w.WriteHeader(f.status)
	_, _ = io.WriteString(w, f.body)
}

// failure is the form in which the service refuses.
func failure(message string) string {
	body, err := json.Marshal(map[string]any{"status": "fail", "data": map[string]string{"error_message": message}})
	if err != nil {
		return "{}" // not with a string
	}
	return string(body)
}

// readCall takes the parameters where the service does: in the query, in a
// form, or in JSON.
func readCall(w http.ResponseWriter, r *http.Request) (Call, error) {
	call := Call{HTTPMethod: r.Method, RawQuery: r.URL.RawQuery, Params: map[string]string{}}
	name, ok := strings.CutPrefix(r.URL.Path, apiPath)
	call.Method = strings.TrimSuffix(name, "/")
	if !ok {
		return call, errMethod
	}
	for key, values := range r.URL.Query() {
		call.Params[key] = values[0]
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxCallBody)
	params, err := bodyParams(r)
	if err != nil {
		return call, errRequest
	}
	maps.Copy(call.Params, params)
	return call, nil
}

func bodyParams(r *http.Request) (map[string]string, error) {
	params := map[string]string{}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		for key, values := range r.PostForm {
			params[key] = values[0]
		}
		return params, nil
	}
	var members map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&members); err != nil {
		return nil, err
	}
	for key, raw := range members {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		params[key] = text
	}
	return params, nil
}

func (s *Service) create(a *account, params map[string]string) (any, error) {
	n := Notification{Type: params["type"], URL: params["url"], Address: params["address"], Enabled: true}
	target, err := checkNotification(&n)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	err = a.hasRoom(n)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !s.sender.ping(target) {
		return nil, errPingFailed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	added, err := s.add(a, n) // another call may have added it meanwhile
	if err != nil {
		return nil, err
	}
	return added.answer(), nil
}

func (s *Service) enable(a *account, params map[string]string) (any, error) {
	return s.change(a, params, func(n *notification) { n.Enabled = true })
}

func (s *Service) disable(a *account, params map[string]string) (any, error) {
	return s.change(a, params, func(n *notification) { n.Enabled = false })
}

func (s *Service) delete(a *account, params map[string]string) (any, error) {
	return s.change(a, params, func(n *notification) {
		n.Enabled = false // what waits for it is dropped
		a.remove(n.ID)
	})
}

func (s *Service) change(a *account, params map[string]string, do func(*notification)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := a.find(params["notification_id"])
	if n == nil {
		return nil, errUnknownID
	}
	do(n)
	s.notifyChange()
	return n.answer(), nil
}

func (s *Service) list(a *account, params map[string]string) (any, error) {
	page := 1
	if text := params["page"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, errPage
		}
		page = n
	}
	wanted := idsOf(params["notification_ids"])
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []answer{}
	skip := (page - 1) * s.cfg.pageSize
	for _, n := range a.notifications {
		if wanted != nil && !wanted[n.ID] {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(list) < s.cfg.pageSize {
			list = append(list, n.listed(!s.cfg.addressless))
		}
	}
	if len(list) == 0 {
		return nil, errNoneFound
	}
	return s.listAnswer(a, "notifications", list), nil
}

// idsOf splits what is a list with commas, or JSON; nil = no filter.
func idsOf(text string) map[string]bool {
	if text == "" {
		return nil
	}
	var list []string
	if json.Unmarshal([]byte(text), &list) != nil {
		list = strings.Split(text, ",")
	}
	ids := map[string]bool{}
	for _, id := range list {
		ids[strings.TrimSpace(id)] = true
	}
	return ids
}

func (s *Service) recentEvents(a *account, params map[string]string) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := a.find(params["notification_id"])
	if n == nil {
		return nil, errUnknownID
	}
	list := make([]recentEvent, len(n.recent))
	for i, d := range n.recent {
		list[i] = d.recent(s.cfg.eventIDs)
	}
	return s.listAnswer(a, "events", list), nil
}

// listAnswer gives a list one of the two forms.
func (s *Service) listAnswer(a *account, name string, list any) any {
	if s.cfg.bareLists {
		return list
	}
	return map[string]any{"network": a.network, name: list}
}
