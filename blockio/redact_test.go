package blockio_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
)

// What must not show: each is a part of what the tests below send or get.
const (
	secretKey  = "key-5f0e-hunter"
	guardedURL = "http://merchant:p%40ss-word7@shop.example/guard3d-path?token=qu3ry-token"
)

var secretParts = []string{secretKey, "merchant", "p%40ss-word7", "p@ss-word7", "guard3d-path", "qu3ry-token"}

// forms are all ways to print a value that a log or a debugger may take.
func forms(v any) map[string]string {
	all := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%T|%v", "%10.3v"} {
		all[verb] = fmt.Sprintf(strings.Replace(verb, "%T|", "", 1), v)
	}
	type wrapped struct{ V any }
	all["in a struct"] = fmt.Sprintf("%+v", wrapped{v})
	all["in a slice"] = fmt.Sprintf("%#v", []any{v})
	var text, structured bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&structured, nil)).Info("m", "v", v, slog.Group("g", "v", v))
	all["slog text"], all["slog JSON"] = text.String(), structured.String()
	encoded, err := json.Marshal(map[string]any{"v": v})
	all["JSON"] = fmt.Sprint(string(encoded), err)
	return all
}

func requireNoSecret(t *testing.T, name string, v any) {
	t.Helper()
	for form, text := range forms(v) {
		plain, err := url.QueryUnescape(text)
		if err != nil {
			plain = text
		}
		for _, secret := range secretParts {
			require.NotContains(t, letters(text), letters(secret), "%s as %s: %s", name, form, text)
			require.NotContains(t, letters(plain), letters(secret), "%s as %s, unescaped: %s", name, form, text)
		}
	}
}

// letters leaves letters and digits, so that no spelling hides a secret.
func letters(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return -1
		}
		return unicode.ToLower(c)
	}, text)
}

func TestTypesPrintWithoutSecrets(t *testing.T) {
	c, err := blockio.NewClient(secretKey)
	require.NoError(t, err)
	quoting := fmt.Sprintf("The key %s and the URL %s are wrong.", secretKey, guardedURL)
	for name, v := range map[string]any{
		"Client":                 c,
		"Client, a copy":         *c,
		"zero Client":            blockio.Client{},
		"Notification":           blockio.Notification{ID: "n", URL: guardedURL, Raw: json.RawMessage(`"` + guardedURL + `"`)},
		"*Notification":          &blockio.Notification{ID: "n", URL: guardedURL},
		"Notification, odd URL":  blockio.Notification{URL: "://merchant:p@ss-word7@"},
		"CreateRequest":          blockio.CreateRequest{Type: "account", URL: guardedURL},
		"RecentEvent":            blockio.RecentEvent{Raw: json.RawMessage(`"` + guardedURL + `"`)},
		"APIError by hand":       &blockio.APIError{Method: "m", Message: quoting, HTTPStatus: 404},
		"APIError, a copy":       blockio.APIError{Method: "m", Message: quoting, HTTPStatus: 404},
		"CallError by hand":      &blockio.CallError{Method: "m", Err: errors.New(quoting)},
		"CallError, a copy":      blockio.CallError{Method: "m", Err: errors.New(quoting)},
		"many notifications":     []blockio.Notification{{URL: guardedURL}, {URL: guardedURL}},
		"a struct that holds it": struct{ N blockio.Notification }{blockio.Notification{URL: guardedURL}},
		"unexported client":      struct{ c *blockio.Client }{c},
		"unexported copy":        struct{ c blockio.Client }{*c},
	} {
		requireNoSecret(t, name, v)
	}
	shown := blockio.Notification{ID: "n1", Network: "BTC", Type: "address", Address: "A", Enabled: true, URL: guardedURL}.String()
	require.Equal(t, "notification n1 BTC address A enabled http://***@shop.example/***", shown)
	require.Equal(t, "notification n1 account disabled https://shop.example", blockio.Notification{ID: "n1", Type: "account", URL: "https://shop.example/"}.String())
	require.Equal(t, "client of https://block.io/api/v2/", c.String())
}

// Errors of calls: whatever the service's text quotes, in whatever spelling.
func TestErrorsShowNoSecret(t *testing.T) {
	encoded := url.QueryEscape(guardedURL)
	texts := map[string]string{
		"the key":                     "API key " + secretKey + " is invalid.",
		"the key in a URL":            "GET https://block.io/api/v2/x?api_key=" + secretKey,
		"the URL":                     "The URL " + guardedURL + " did not answer.",
		"the URL, quoted":             `The URL "` + guardedURL + `" did not answer.`,
		"the URL, encoded":            "The URL " + encoded + " did not answer.",
		"the URL, escaped":            "The URL " + strings.ReplaceAll(guardedURL, "/", `\/`) + " did not answer.",
		"twice encoded":               "The URL " + url.QueryEscape(encoded) + " did not answer.",
		"the password":                "p@ss-word7 was refused",
		"the password, encoded":       "p%40ss%2Dword7 was refused",
		"the password, twice encoded": "p%2540ss%252Dword7 was refused",
		"the user":                    "merchant was refused",
		"the query's value":           "token is qu3ry-token",
		"the path":                    "/guard3d-path was not found",
		"upper case":                  strings.ToUpper("key " + secretKey),
		"with spaces":                 "key " + strings.Join(strings.Split(secretKey, ""), " "),
		"another hook":                "http://merchant:p%40ss-word7@other.example/guard3d-path is broken",
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{"status": "fail", "data": map[string]string{"error_message": text}})
			require.NoError(t, err)
			c := clientAnswering(t, string(body), nil)
			_, err = c.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: guardedURL})
			var answer *blockio.APIError
			require.ErrorAs(t, err, &answer)
			require.Equal(t, text, answer.Message, "the raw text is there for who asks for it")
			requireNoSecret(t, name, err)
			requireNoSecret(t, name, *answer)
			wrapped := fmt.Errorf("more: %w", err)
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} { // a verb for numbers opens package fmt's own error
				for _, secret := range secretParts {
					require.NotContains(t, fmt.Sprintf(verb, wrapped), secret, verb)
				}
			}
			require.ErrorContains(t, err, "blockio: create_notification: ")

			failing := clientAnswering(t, "", errors.New(text))
			_, err = failing.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: guardedURL})
			requireNoSecret(t, name, err)
			var call *blockio.CallError
			require.ErrorAs(t, err, &call)
			requireNoSecret(t, name, *call)
		})
	}
}

// A listing does not know what the service may quote: URLs of others are cut.
func TestErrorsShowNoURLOfOthers(t *testing.T) {
	for _, text := range []string{
		"see " + guardedURL, "see " + url.QueryEscape(guardedURL), "see " + strings.ReplaceAll(guardedURL, "/", `\/`),
		"see (" + guardedURL + ")", "<" + guardedURL + ">", "HTTP://merchant:p@ss-word7@shop.example/guard3d-path",
	} {
		body, err := json.Marshal(map[string]any{"status": "fail", "data": map[string]string{"error_message": text}})
		require.NoError(t, err)
		_, err = clientAnswering(t, string(body), nil).EnableNotification(t.Context(), "n")
		require.Error(t, err)
		requireNoSecret(t, text, err)
	}
}

func TestErrorsKeepPlainTexts(t *testing.T) {
	body := `{"status":"fail","data":{"error_message":"Notification 306b6d is not yours: see https://block.io for more."}}`
	_, err := clientAnswering(t, body, nil).EnableNotification(t.Context(), "306b6d")
	require.EqualError(t, err, "blockio: enable_notification: Notification 306b6d is not yours: see https://block.io for more. (HTTP status 404)")
}

func TestSecretParametersOfACall(t *testing.T) {
	body := `{"status":"fail","data":{"error_message":"PIN merchant7 and key p4rt are wrong for address A1B2C3."}}`
	err := clientAnswering(t, body, nil).Call(t.Context(), nil, "withdraw", map[string]any{"pin": "merchant7", "private_key": "p4rt", "to_address": "A1B2C3"})
	require.ErrorContains(t, err, "PIN *** and key *** are wrong for address A1B2C3.")
}

// What guards a web hook may be a query without a value, or stand in a URL that
// cannot be parsed.
func TestSecretsOfUnusualURLs(t *testing.T) {
	for hook, text := range map[string]string{
		"https://shop.example/?s3cr3tflag":    "the query s3cr3tflag is odd",
		"https://shop.example/%zz?s3cr3tflag": "not a URL: https://shop.example/%zz?s3cr3tflag",
	} {
		body, err := json.Marshal(map[string]any{"status": "fail", "data": map[string]string{"error_message": text}})
		require.NoError(t, err)
		err = clientAnswering(t, string(body), nil).Call(t.Context(), nil, "create_notification", map[string]any{"url": hook})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "s3cr3tflag")
	}
	require.Equal(t, "notification n1 disabled", blockio.Notification{ID: "n1"}.String(), "no URL is none withheld")
}

func clientAnswering(t *testing.T, body string, err error) *blockio.Client {
	t.Helper()
	h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if err != nil {
			return nil, err
		}
		return answerOf(r, 404, body), nil
	})}
	c, newErr := blockio.NewClient(secretKey, blockio.WithHTTPClient(h), blockio.WithRetry(1, 1, 1))
	require.NoError(t, newErr)
	return c
}
