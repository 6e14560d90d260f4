package bitcarttest

import "strings"

const specVersion = "4.5.0"

// The error catalogue: fragments of exception texts with their codes, first match wins, and the
// names of the codes.
type spec struct {
	fragments []fragment
	codes     []specCode
}

type fragment struct {
	text string
	code int
}

type specCode struct {
	code      string
	name, doc string
}

var commonFragments = []fragment{
	{"Procedure not found", -32601},
	{"wallet not loaded", -32000},
}

var engineFragments = []fragment{
	{"should be a transaction hash", -32001},
	{"No such mempool or blockchain transaction. Use gettransaction for wallet transactions.", -32002},
	{"No such mempool transaction.", -32002},
	{"missing transaction", -32002},
	{"No such blockchain transaction", -32002},
	{"Request not found", -32003},
	{"Invalid Bitcoin address or alias", -32004},
	{"Invalid bitcoin address:", -32004},
	{"Insufficient funds", -32006},
	{"Invalid node ID, must be 33 bytes and hexadecimal", -32007},
	{"Remove the existing wallet first!", -32008},
	{"Bad bech32 checksum", -32009},
	{"Does not start with ln", -32009},
	{"Wrong Lightning invoice HRP", -32009},
	{"Too short to contain signature", -32009},
	{"No path found", -32010},
	{"Lightning not supported in this wallet type", -32011},
	{"Invoice not found", -32012},
	{"This version of Electrum is too old to open this wallet", -32013},
	{"No ConfigVar with key", -32014},
}

var accountFragments = []fragment{
	{"error loading wallet", -32000},
	{"NotImplementedError", -32602},
	{"it must be a hex string", -32001},
	{"TransactionNotFound", -32002},
	{"The private key must be exactly", -32003},
	{"No message specified", -32004},
	{"Invalid key provided", -32005},
	{"Invalid private key imported: address mismatch", -32005},
	{"This is a watching-only wallet", -32006},
	{"This wallet has no seed words", -32007},
	{"Invalid transaction", -32008},
	{"Invalid contract address or non-ERC20 token", -32009},
	{"Contract ABI is missing", -32010},
	{"Invalid arguments for", -32011},
	{"Invalid mix of transaction fee params", -32012},
}

var moneroFragments = []fragment{
	{"Invalid tx hash", -32001},
	{"Transaction not found", -32002},
}

var engineCodes = []specCode{
	{"-32601", "ProcedureNotFoundError", "There is no such method"},
	{"-32000", "WalletNotLoadedError", "This method needs a wallet, and no xpub was given"},
	{"-32001", "InvalidTxHashError", "The transaction hash is malformed"},
	{"-32002", "TxNotFoundError", "No transaction with this hash in mempool or chain"},
	{"-32003", "RequestNotFoundError", "No payment request with this key"},
	{"-32004", "InvalidAddressError", "The address or alias is malformed"},
	{"-32005", "LoadingWalletError", "The wallet could not be loaded: seed or key not recognized"},
	{"-32006", "NotEnoughFundsError", "The wallet holds too little"},
	{"-32007", "InvalidNodeIDError", "The node id is malformed"},
	{"-32008", "WalletExistsError", "There is such a wallet already"},
	{"-32009", "InvalidLightningInvoiceError", "The lightning invoice is malformed"},
	{"-32010", "NoPathFoundError", "No route to pay the invoice"},
	{"-32011", "LightningUnsupportedError", "This type of wallet has no lightning"},
	{"-32012", "InvoiceNotFoundError", "No invoice with this key"},
	{"-32013", "WalletVersionMismatchError", "A newer release wrote this wallet file"},
	{"-32014", "NoConfigKeyError", "No setting of this name"},
}

var accountCodes = []specCode{
	{"-32601", "ProcedureNotFoundError", "There is no such method"},
	{"-32602", "NotImplementedError", "This coin does not have this method"},
	{"-32000", "WalletNotLoadedError", "This method needs a wallet, and no xpub was given"},
	{"-32001", "InvalidHexStringError", "The text is not hexadecimal"},
	{"-32002", "TxNotFoundError", "No transaction with this hash in the chain"},
	{"-32003", "PrivateKeyRequiredError", "Signing needs a private key"},
	{"-32004", "NoMessageSpecifiedError", "There is no message to sign"},
	{"-32005", "InvalidKeyProvidedError", "The key is no seed, private key, public key or address"},
	{"-32006", "WatchOnlyWalletError", "The wallet can only watch"},
	{"-32007", "NoSeedError", "The wallet was not made from seed words"},
	{"-32008", "InvalidTransactionError", "The transaction is malformed"},
	{"-32009", "InvalidContractAddressError", "There is no token contract at this address"},
	{"-32010", "NoSuchContractFunctionError", "The contract has no such function"},
	{"-32011", "InvalidContractArgumentsError", "The function takes other arguments"},
	{"-32012", "InvalidFeeParametersError", "These fee arguments exclude each other"},
}

func specOf(c coin) spec {
	if c.family != Account {
		s := spec{fragments: append(commonFragments[:len(commonFragments):len(commonFragments)], engineFragments...), codes: engineCodes}
		if c.symbol == "BCH" {
			s.fragments = append(s.fragments, fragment{"invalid checksum in address", -32004})
		}
		return s
	}
	s := spec{fragments: append(commonFragments[:len(commonFragments):len(commonFragments)], accountFragments...), codes: accountCodes}
	switch c.style {
	case styleTron:
		s.fragments = append(s.fragments, fragment{"java.lang.NullPointerException", -32013})
		s.codes = append(s.codes[:len(s.codes):len(s.codes)], specCode{"-32013", "UnexpectedFormatError", "The node cannot read the parameters"})
	case styleMonero:
		s.fragments = append(s.fragments, moneroFragments...)
	}
	return s
}

// code finds the code of an exception text.
func (s spec) code(text string, fallback int) int {
	text = strings.ToLower(text)
	for _, f := range s.fragments {
		if strings.Contains(text, strings.ToLower(f.text)) {
			return f.code
		}
	}
	return fallback
}

// document is what GET /spec answers. The account daemons have no capabilities.
func (s spec) document(c coin) object {
	fragments, codes := object{}, object{}
	for _, f := range s.fragments {
		fragments = append(fragments, member{f.text, f.code})
	}
	for _, e := range s.codes {
		codes = append(codes, member{e.code, object{{"exc_name", e.name}, {"docstring", e.doc}}})
	}
	doc := object{{"version", specVersion}, {"electrum_map", fragments}, {"exceptions", codes}}
	if c.family != Account {
		doc = append(doc, member{"capabilities", object{{"lightning", c.lightning}}})
	}
	return doc
}
