package bitcart_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// sentinels are the errors for every exc_name of every daemon (protocol section 3.3).
var sentinels = map[string]error{
	"UnauthorizedError":             bitcart.ErrUnauthorized,
	"WalletNotLoadedError":          bitcart.ErrWalletNotLoaded,
	"InvalidTxHashError":            bitcart.ErrInvalidTxHash,
	"InvalidHexStringError":         bitcart.ErrInvalidHexString,
	"TxNotFoundError":               bitcart.ErrTxNotFound,
	"RequestNotFoundError":          bitcart.ErrRequestNotFound,
	"PrivateKeyRequiredError":       bitcart.ErrPrivateKeyRequired,
	"InvalidAddressError":           bitcart.ErrInvalidAddress,
	"NoMessageSpecifiedError":       bitcart.ErrNoMessage,
	"LoadingWalletError":            bitcart.ErrLoadingWallet,
	"InvalidKeyProvidedError":       bitcart.ErrInvalidKey,
	"NotEnoughFundsError":           bitcart.ErrNotEnoughFunds,
	"WatchOnlyWalletError":          bitcart.ErrWatchOnlyWallet,
	"InvalidNodeIDError":            bitcart.ErrInvalidNodeID,
	"NoSeedError":                   bitcart.ErrNoSeed,
	"WalletExistsError":             bitcart.ErrWalletExists,
	"InvalidTransactionError":       bitcart.ErrInvalidTransaction,
	"InvalidLightningInvoiceError":  bitcart.ErrInvalidInvoice,
	"InvalidContractAddressError":   bitcart.ErrInvalidContract,
	"NoPathFoundError":              bitcart.ErrNoPath,
	"NoSuchContractFunctionError":   bitcart.ErrNoContractFunction,
	"LightningUnsupportedError":     bitcart.ErrLightningUnsupported,
	"InvalidContractArgumentsError": bitcart.ErrInvalidContractArgs,
	"InvoiceNotFoundError":          bitcart.ErrInvoiceNotFound,
	"InvalidFeeParametersError":     bitcart.ErrInvalidFee,
	"WalletVersionMismatchError":    bitcart.ErrWalletVersion,
	"UnexpectedFormatError":         bitcart.ErrUnexpectedFormat,
	"NoConfigKeyError":              bitcart.ErrNoConfigKey,
	"ProcedureNotFoundError":        bitcart.ErrProcedureNotFound,
	"NotImplementedError":           bitcart.ErrUnsupported,
}

// wider are the pairs in which an exception matches a second error.
var wider = map[string]error{
	"ProcedureNotFoundError": bitcart.ErrUnsupported,
	"InvoiceNotFoundError":   bitcart.ErrRequestNotFound,
}

// codes are the columns of protocol section 3.3: exc_names from -32000 downwards.
var codes = map[string]string{
	"BTC LTC GRS XRG BCH": `WalletNotLoaded InvalidTxHash TxNotFound RequestNotFound InvalidAddress LoadingWallet NotEnoughFunds InvalidNodeID
		WalletExists InvalidLightningInvoice NoPathFound LightningUnsupported InvoiceNotFound WalletVersionMismatch NoConfigKey`,
	"ETH BNB MATIC XMR": `WalletNotLoaded InvalidHexString TxNotFound PrivateKeyRequired NoMessageSpecified InvalidKeyProvided WatchOnlyWallet NoSeed
		InvalidTransaction InvalidContractAddress NoSuchContractFunction InvalidContractArguments InvalidFeeParameters`,
	"TRX": `WalletNotLoaded InvalidHexString TxNotFound PrivateKeyRequired NoMessageSpecified InvalidKeyProvided WatchOnlyWallet NoSeed
		InvalidTransaction InvalidContractAddress NoSuchContractFunction InvalidContractArguments InvalidFeeParameters UnexpectedFormat`,
}

// requireOnly checks that an error means what its name says and nothing else.
func requireOnly(t testing.TB, err error, name string) {
	t.Helper()
	require.ErrorIs(t, err, sentinels[name], name)
	for other, sentinel := range sentinels {
		if other != name && wider[name] != sentinel {
			require.NotErrorIs(t, err, sentinel, "%s is no %s", name, other)
		}
	}
	if wider[name] != nil {
		require.ErrorIs(t, err, wider[name])
	}
}

// Every code of every currency, by the catalogue that its daemon serves. The text does not decide.
func TestCodesOfEachCurrency(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"UnauthorizedError": true}
	for currencies, column := range codes {
		names := map[int]string{-32600: "UnauthorizedError", -32601: "ProcedureNotFoundError"}
		if !strings.Contains(currencies, "BTC") {
			names[-32602] = "NotImplementedError"
		}
		for i, name := range strings.Fields(column) {
			names[-32000-i] = name + "Error"
		}
		for currency := range strings.FieldsSeq(currencies) {
			spec := catalogue(t, currency)
			for code, name := range names {
				seen[name] = true
				w := always(failure(code, "Exception: Request not found, insufficient funds"))
				w.spec = spec
				err := coinOn(t, currency, w, walletOf(currency)).Call(t.Context(), nil, "m")
				var answered *bitcart.RPCError
				require.ErrorAs(t, err, &answered)
				require.Equal(t, name, answered.Name, "%s %d", currency, code)
				require.Equal(t, currency, answered.Currency)
				requireOnly(t, err, name)
				require.Contains(t, err.Error(), fmt.Sprintf("bitcart: %s m: %s %d: ", currency, name, code))
			}
		}
	}
	for name := range sentinels {
		require.True(t, seen[name], "%s is in no column", name)
	}
}

// catalogue is the spec of a currency; those without one of their own serve that of their kind.
func catalogue(t testing.TB, currency string) string {
	t.Helper()
	kin := map[string]string{"GRS": "BTC"}
	if g, ok := exchangeOf(t, currency, "spec"); ok {
		return string(g.Result)
	}
	return specOf(t, kin[currency])
}

// Every name of every stored catalogue has an error of its own, so a new name does not go unseen.
func TestEveryExceptionHasAnError(t *testing.T) {
	t.Parallel()
	for _, currency := range everyCurrency {
		var spec struct {
			Exceptions map[string]struct {
				Name string `json:"exc_name"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(catalogue(t, currency)), &spec))
		require.NotEmpty(t, spec.Exceptions)
		for code, e := range spec.Exceptions {
			require.Contains(t, sentinels, e.Name, "%s %s", currency, code)
		}
	}
}

// What daemons answered: by their catalogue, and where that cannot be had by the text alone.
func TestStoredErrors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "rpc", "*", "*.json"))
	require.NoError(t, err)
	checked := 0
	for _, file := range files {
		currency := filepath.Base(filepath.Dir(file))
		g := mustExchange(t, currency, strings.TrimSuffix(filepath.Base(file), ".json"))
		if g.Error == nil || g.Exception == "" {
			continue
		}
		checked++
		for _, spec := range []string{specOf(t, currency), ""} {
			w := always(g.answer())
			w.spec = spec
			err := coinOn(t, currency, w, g.wallet(t)).Call(t.Context(), nil, g.Method)
			if spec != "" {
				requireOnly(t, err, g.Exception)
				continue
			}
			if g.Exception == "LoadingWalletError" || g.Exception == "UnexpectedFormatError" {
				continue // these two have no words of their own
			}
			require.ErrorIs(t, err, sentinels[g.Exception], "%s by its text: %s", file, g.Error.Message)
		}
	}
	require.Greater(t, checked, 60)
}

// What has no code on some daemon is known by its text there.
func TestErrorsKnownByTheirTextOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		currency, message string
		want              error
	}{
		{"ETH", "Exception: Request not found", bitcart.ErrRequestNotFound},
		{"XMR", "Exception: Request not found", bitcart.ErrRequestNotFound},
		{"BCH", "electroncash.util.NotEnoughFunds", bitcart.ErrNotEnoughFunds},
		{"BCH", "electroncash.util.NotEnoughFunds: ", bitcart.ErrNotEnoughFunds},
		{"ETH", "web3.exceptions.Web3RPCError: insufficient funds for gas * price + value", bitcart.ErrNotEnoughFunds},
		{"TRX", "tronpy.exceptions.ValidationError: Contract validate error : balance is not sufficient.", bitcart.ErrNotEnoughFunds},
		{"BCH", "Exception: Invalid address qr0khg", bitcart.ErrInvalidAddress},
		{"XMR", "Exception: Transaction not found", bitcart.ErrTxNotFound},
		{"ETH", "ValueError: strange", nil},
	}
	for _, test := range tests {
		t.Run(test.currency+" "+test.message, func(t *testing.T) {
			w := always(failure(-32603, test.message))
			w.spec = specOf(t, test.currency)
			err := coinOn(t, test.currency, w, walletOf(test.currency)).Call(t.Context(), nil, "m")
			for name, sentinel := range sentinels {
				require.Equal(t, sentinel == test.want, errors.Is(err, sentinel), name)
			}
		})
	}
}

// The two codes that mean the same everywhere need no catalogue, and no known text.
func TestMissingMethodsWithoutCatalogue(t *testing.T) {
	t.Parallel()
	for code, sentinel := range map[int]error{-32601: bitcart.ErrProcedureNotFound, -32602: bitcart.ErrUnsupported} {
		err := coinOn(t, "ETH", always(failure(code, "?")), walletOf("ETH")).Call(t.Context(), nil, "getmpk")
		require.ErrorIs(t, err, sentinel)
		require.ErrorIs(t, err, bitcart.ErrUnsupported)
		require.Contains(t, err.Error(), "ETH getmpk")
	}
}
