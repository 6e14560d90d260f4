package bitcart

// exception is an error that a daemon names in its /spec. A *RPCError matches it
// by that name, or by the daemon's text where a daemon has no code for it.
type exception struct {
	name string // exc_name, without "Error"; "" = no daemon names it
	text string
}

func newException(name, text string) error { return &exception{name: name, text: text} }

func (e *exception) Error() string { return "bitcart: " + e.text }

// exceptionTexts are parts, in lower case, of what daemons that have no code for
// an error answer in its place.
var exceptionTexts = map[error][]string{
	ErrWalletNotLoaded:    {"wallet not loaded", "error loading wallet"},
	ErrWalletExists:       {"remove the existing wallet first"},
	ErrWalletVersion:      {"too old to open this wallet"},
	ErrWatchOnlyWallet:    {"watching-only wallet"},
	ErrNoSeed:             {"has no seed words"},
	ErrInvalidKey:         {"invalid key provided", "seed or key not recognized", "address mismatch"},
	ErrPrivateKeyRequired: {"the private key must be exactly"},
	ErrRequestNotFound:    {"request not found", "invoice not found"},
	ErrInvoiceNotFound:    {"invoice not found"},
	ErrTxNotFound: {
		"transactionnotfound", "transaction not found", "no such mempool", "no such blockchain transaction",
		"missing transaction",
	},
	ErrInvalidTxHash: {"should be a transaction hash"},
	ErrAlreadyBroadcast: {
		"already in block chain", "already in utxo set", "txn-already-known", "txn-already-in-mempool",
		"already known", "dup_transaction_error",
	},
	ErrInvalidTransaction:  {"invalid transaction"},
	ErrInvalidHexString:    {"it must be a hex string", "failed to parse hex representation", "invalid tx hash"},
	ErrInvalidAddress:      {"invalid address", "invalid bitcoin address", "invalid cashaddr", "addresserror"},
	ErrNotEnoughFunds:      {"notenoughfunds", "insufficient funds", "not enough funds", "balance is not sufficient"},
	ErrInvalidFee:          {"invalid mix of transaction fee params"},
	ErrNoMessage:           {"no message specified"},
	ErrInvalidContract:     {"invalid contract address"},
	ErrNoContractFunction:  {"contract abi is missing"},
	ErrInvalidContractArgs: {"invalid arguments for"},
	ErrNoConfigKey:         {"no configvar with key"},
	ErrInvalidNodeID:       {"invalid node id"},
	ErrInvalidInvoice: {
		"bad bech32 checksum", "does not start with ln", "wrong lightning invoice hrp",
		"too short to contain signature",
	},
	ErrNoPath:               {"no path found"},
	ErrLightningUnsupported: {"lightning not supported"},
	ErrProcedureNotFound:    {"procedure not found"},
	ErrUnsupported:          {"notimplementederror", "procedure not found"},
}

// wider are the errors that an exception matches besides its own.
var wider = map[string]error{
	"ProcedureNotFound": ErrUnsupported,
	"InvoiceNotFound":   ErrRequestNotFound, // GetRequest reads invoices too
}
