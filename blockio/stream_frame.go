package blockio

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// frame is one message of the web socket.
type frame struct {
	kind    frameKind
	typ     string          // of an event
	data    json.RawMessage // of an event: an object that shares no memory with the message
	message string          // of a refusal
}

type frameKind int

const (
	frameAccepted frameKind = iota // {"status":"success"}
	frameRefused                   // {"status":"fail","error_message":"..."}
	framePing                      // {"type":"ping"}
	frameEvent                     // {"type":"...","data":{...}}
)

var (
	errUnknownStatus = errors.New("unknown status")
	errUnknownType   = errors.New("unknown type")
)

// maxMessageText keeps a foreign text from filling logs.
const maxMessageText = 1024

// decodeFrame reads a message. What has a type is no answer, whatever else it
// has: an event that passed for an answer would settle a request that the
// service has not answered. The error's text quotes nothing of the message.
func decodeFrame(msg []byte) (frame, error) {
	members, ok := wire.Members(msg, "type", "data", "status", "error_message")
	if !ok {
		return frame{}, errNoObject
	}
	if absent(members["type"]) {
		return decodeAnswer(members)
	}
	var f frame
	if json.Unmarshal(members["type"], &f.typ) != nil {
		return frame{}, errUnknownType
	}
	switch f.typ {
	case eventPing:
		return frame{kind: framePing}, nil
	case EventAddress, EventNewBlocks:
	default:
		return frame{}, errUnknownType
	}
	if !isObject(members["data"]) {
		return frame{}, errNoData
	}
	f.kind, f.data = frameEvent, bytes.Clone(members["data"])
	return f, nil
}

func decodeAnswer(members map[string]json.RawMessage) (frame, error) {
	var status string
	if absent(members["status"]) || json.Unmarshal(members["status"], &status) != nil {
		return frame{}, errNoType
	}
	switch status {
	case "success":
		return frame{kind: frameAccepted}, nil
	case "fail":
		return frame{kind: frameRefused, message: refusalText(members)}, nil
	}
	return frame{}, errUnknownStatus
}

// refusalText looks where the web socket has it, and where REST has it.
func refusalText(members map[string]json.RawMessage) string {
	var text string
	var data struct {
		Message string `json:"error_message"`
	}
	_ = json.Unmarshal(members["error_message"], &text)
	if _ = json.Unmarshal(members["data"], &data); text == "" {
		text = data.Message
	}
	if text == "" {
		return "the service gave no reason"
	}
	if len(text) > maxMessageText {
		text = strings.ToValidUTF8(text[:maxMessageText], "") + "..."
	}
	return text
}
