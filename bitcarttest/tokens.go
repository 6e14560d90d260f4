package bitcarttest

import "github.com/shopspring/decimal"

func validateContract(d *Daemon, c *Call) (any, error) {
	switch {
	case d.coin.symbol == "XRG":
		return false, nil // its engine knows no tokens
	case d.coin.family == ElectronCash:
		return len(c.text("address")) == 64, nil
	case d.coin.family == Electrum:
		return false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.token(c.text("address")) != nil, nil
}

func getTokens(d *Daemon, _ *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := object{}
	for _, t := range d.tokens {
		out = append(out, member{t.Symbol, t.Contract})
	}
	return out, nil
}

// readContract knows symbol, name, decimals and balanceOf; CashTokens have no balanceOf.
func readContract(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, function := d.token(c.text("address")), c.text("function")
	switch {
	case d.coin.family == ElectronCash && function != "symbol" && function != "decimals":
		return nil, exception("NotImplementedError")
	case d.coin.family == ElectronCash && t == nil:
		return nil, errTokenMetadata
	case t == nil:
		return nil, errNoToken
	}
	switch function {
	case "symbol", "name":
		return t.Symbol, nil
	case "decimals":
		return t.Decimals, nil
	case "balanceOf":
		return d.tokensOf(c, t)
	}
	return nil, exceptionf("Exception: Contract ABI is missing %s function", function)
}

// tokensOf is called under mu.
func (d *Daemon) tokensOf(c *Call, t *Token) (any, error) {
	if len(c.Args) != 3 || !d.coin.validAddress(textOf(c.Args[2])) {
		return nil, exception("Exception: Invalid arguments for balanceOf function")
	}
	held := d.holdings(place{d.coin.normalized(textOf(c.Args[2])), t.Contract}, "").confirmed
	return units(decimal.Max(held, decimal.Zero), t.Decimals), nil
}

func getABI(d *Daemon, _ *Call) (any, error) {
	if d.coin.style != styleEVM && d.coin.style != styleTron {
		return []any{}, nil
	}
	return []object{
		viewFunction("name", nil, "", "string"), viewFunction("symbol", nil, "", "string"), viewFunction("decimals", nil, "", "uint8"),
		viewFunction("balanceOf", []object{{{"name", "_owner"}, {"type", "address"}}}, "balance", "uint256"),
		{
			{"constant", false}, {"inputs", []object{{{"name", "_to"}, {"type", "address"}}, {{"name", "_value"}, {"type", "uint256"}}}},
			{"name", "transfer"}, {"outputs", []object{{{"name", ""}, {"type", "bool"}}}}, {"payable", false},
			{"stateMutability", "nonpayable"}, {"type", "function"},
		},
		{
			{"anonymous", false},
			{"inputs", []object{
				{{"indexed", true}, {"name", "from"}, {"type", "address"}}, {{"indexed", true}, {"name", "to"}, {"type", "address"}},
				{{"indexed", false}, {"name", "value"}, {"type", "uint256"}},
			}},
			{"name", "Transfer"}, {"type", "event"},
		},
	}, nil
}

func viewFunction(name string, inputs []object, output, kind string) object {
	if inputs == nil {
		inputs = []object{}
	}
	return object{
		{"constant", true}, {"inputs", inputs}, {"name", name}, {"outputs", []object{{{"name", output}, {"type", kind}}}},
		{"payable", false}, {"stateMutability", "view"}, {"type", "function"},
	}
}
