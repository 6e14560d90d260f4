package bitcart

import (
	"encoding/json"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// readText reads a string as a part of the text that it stands in, if it stands
// there as it is.
func readText(v wire.Value, in string) (text string, err error) {
	if text, ok := v.Plain(in); ok {
		return text, nil
	}
	return readJSON[string](v, in)
}

// readJSON reads a value as encoding/json does.
func readJSON[T any](v wire.Value, in string) (T, error) {
	var value, zero T
	if err := json.Unmarshal([]byte(v.Raw(in)), &value); err != nil {
		return zero, err
	}
	return value, nil
}
