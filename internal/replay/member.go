package replay

import "strings"

// cutMember returns what stands before and behind the first member of that
// name of a JSON object, its comma left out; what is inside the other members
// is not looked into. It reports false when there is no such member, or when
// the text ends too early. The text need not be valid.
func cutMember(raw string, name string) (before, after string, ok bool) {
	i := space(raw, 0)
	if !at(raw, i, '{') {
		return "", "", false
	}
	i = space(raw, i+1)
	end := i // of the member before
	for at(raw, i, '"') {
		key := i
		i = str(raw, i)
		found := i-key == len(name)+2 && raw[key+1:i-1] == name
		i = space(raw, i)
		if !at(raw, i, ':') {
			break
		}
		i = value(raw, space(raw, i+1))
		valueEnd := i
		i = space(raw, i)
		more := at(raw, i, ',')
		if more {
			i = space(raw, i+1)
		}
		switch {
		case !found:
			end = valueEnd
		case more:
			return raw[:key], raw[i:], true
		default:
			return raw[:end], raw[valueEnd:], at(raw, i, '}')
		}
	}
	return "", "", false
}

func at(raw string, i int, c byte) bool { return i < len(raw) && raw[i] == c }

// space returns where the white space at i ends.
func space(raw string, i int) int {
	for i < len(raw) {
		switch raw[i] {
		case ' ', '\t', '\r', '\n':
			i++
		default:
			return i
		}
	}
	return i
}

// str returns where the string at i ends.
func str(raw string, i int) int {
	begin := i + 1
	for i = begin; ; i++ {
		quote := strings.IndexByte(raw[min(i, len(raw)):], '"')
		if quote < 0 {
			return len(raw)
		}
		i += quote
		if !escaped(raw[begin:i]) {
			return i + 1
		}
	}
}

// escaped: an odd number of backslashes stands at the end.
func escaped(text string) bool {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	return (len(text)-n)%2 == 1
}

// value returns where the value at i ends.
func value(raw string, i int) int {
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			i = str(raw, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // of the object around it
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}
