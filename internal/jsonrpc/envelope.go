package jsonrpc

import (
	"encoding/json"
	"strconv"
)

// encodeRequest builds the body of one call. The bytes are never reused: net/http may still read
// them after the exchange has returned.
func encodeRequest(id uint64, method string, params json.RawMessage) []byte {
	b := make([]byte, 0, len(method)+len(params)+64)
	b = append(b, `{"jsonrpc":"2.0","method":`...)
	b = appendString(b, method)
	if len(params) > 0 { // null params would be an error of the daemon
		b = append(b, `,"params":`...)
		b = append(b, params...)
	}
	b = append(b, `,"id":`...)
	b = strconv.AppendUint(b, id, 10)
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	if !isPlain(s) {
		quoted, _ := json.Marshal(s) // a string always has a JSON form
		return append(b, quoted...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// isPlain tells whether s stands for itself between quotation marks, as every method name does.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// envelope is an answer as received. A member that is there with null holds "null", a missing one nil.
type envelope struct {
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
	ID     json.RawMessage `json:"id"`
}

// decodeAnswer returns the result of the call with this id. The error is *Error when the daemon
// says so, otherwise it matches ErrBadAnswer. Nothing that it returns shares memory with body.
func decodeAnswer(body []byte, id uint64) (json.RawMessage, error) {
	var env envelope
	if json.Unmarshal(body, &env) != nil {
		return nil, badAnswer("no JSON object")
	}
	if isSet(env.Error) {
		return nil, decodeError(env, id)
	}
	if env.Result == nil {
		return nil, badAnswer("neither result nor error")
	}
	if !isID(env.ID, id) {
		return nil, errForeignID
	}
	return env.Result, nil
}

// decodeError accepts the id null too: the daemon answers so when it refused the request before it
// read the id. A missing id is not accepted, since error pages of gateways look like that.
func decodeError(env envelope, id uint64) error {
	if env.ID == nil {
		return badAnswer("an error without id")
	}
	if isSet(env.ID) && !isID(env.ID, id) {
		return errForeignID
	}
	var body struct {
		Code    *int            `json:"code"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(env.Error, &body) != nil || body.Code == nil {
		return badAnswer("an error without code")
	}
	answer := &Error{Code: *body.Code}
	_ = json.Unmarshal(body.Message, &answer.Message) // without a text the code still tells enough
	return answer
}

// namesCall: the answer has an id that is not null.
func namesCall(body []byte) bool {
	var env envelope
	return json.Unmarshal(body, &env) == nil && isSet(env.ID)
}

func isSet(member json.RawMessage) bool {
	return member != nil && string(member) != "null"
}

func isID(member json.RawMessage, id uint64) bool {
	var text [20]byte // the longest uint64
	return string(member) == string(strconv.AppendUint(text[:0], id, 10))
}
