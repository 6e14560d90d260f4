package blockio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// decodeList decodes the data of an answer: a list, an object that holds one,
// or one item by itself. Which of these the service sends is not published.
// What the object says of the network holds for items that do not say it.
func decodeList[T any](data json.RawMessage, name string) ([]T, error) {
	data = bytes.TrimSpace(data)
	if absent(data) {
		return nil, nil
	}
	items, network, err := findList(data, name)
	if err != nil {
		return nil, err
	}
	list := make([]T, len(items))
	for i, item := range items {
		if err := json.Unmarshal(inNetwork(item, network), &list[i]); err != nil {
			return nil, fmt.Errorf("%w: item %d: %w", errBadAnswer, i, err)
		}
	}
	return list, nil
}

// findList looks under the name that is given, then for any list, of objects at
// best: what else the service may list beside it is not known. It returns the
// items and the network that is said beside them.
func findList(data json.RawMessage, name string) (items []json.RawMessage, network json.RawMessage, err error) {
	if json.Unmarshal(data, &items) == nil {
		return items, nil, nil
	}
	members, err := objectMembers(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: neither a list nor an object", errBadAnswer)
	}
	if raw, ok := members[name]; ok && absent(raw) {
		return nil, nil, nil
	}
	if json.Unmarshal(members[name], &items) == nil {
		return items, members["network"], nil
	}
	if !absent(members["notification_id"]) {
		return []json.RawMessage{data}, nil, nil
	}
	found := false
	for _, key := range slices.Sorted(maps.Keys(members)) {
		var list []json.RawMessage
		if absent(members[key]) || json.Unmarshal(members[key], &list) != nil {
			continue
		}
		if len(list) > 0 && isObject(list[0]) {
			return list, members["network"], nil
		}
		if !found { // when there is none of objects
			items, found = list, true
		}
	}
	if found {
		return items, members["network"], nil
	}
	return nil, nil, fmt.Errorf("%w: no list in it", errBadAnswer)
}

// inNetwork adds the network to an object that does not name one.
func inNetwork(item, network json.RawMessage) json.RawMessage {
	members, err := objectMembers(item)
	if err != nil || absent(network) || !absent(members["network"]) {
		return item
	}
	inner := bytes.TrimSpace(item)
	inner = bytes.TrimSpace(inner[1:])
	if len(members) == 0 {
		return slices.Concat([]byte(`{"network":`), network, inner)
	}
	return slices.Concat([]byte(`{"network":`), network, []byte(","), inner)
}

func objectMembers(data []byte) (members map[string]json.RawMessage, err error) {
	if json.Unmarshal(data, &members) != nil || members == nil {
		return nil, errNoObject
	}
	return members, nil
}

// readBool takes true and false, as text or 1 and 0 too.
func readBool(raw json.RawMessage, field *bool) error {
	if absent(raw) {
		return nil
	}
	text := string(raw)
	if s, ok := scalar(raw); ok {
		text = s
	}
	switch strings.ToLower(text) {
	case "true", "1":
		*field = true
	case "false", "0":
		*field = false
	default:
		return errNotBool
	}
	return nil
}
