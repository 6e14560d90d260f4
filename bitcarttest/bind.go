package bitcarttest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// method is one entry of the method table.
type method struct {
	params  []parameter
	rest    bool // takes any number of further positional arguments
	extras  bool // takes any other named argument too
	wallet  bool
	own     bool // written by the daemon, not by its engine: shows in TypeError texts
	refusal string
	call    func(*Daemon, *Call) (any, error)
}

type parameter struct {
	name     string
	required bool
}

// signature reads a list such as "key! address * **": "!" marks what is required, "*" lets any
// further positional argument pass, "**" any named one.
func signature(text string) method {
	var m method
	for _, f := range strings.Fields(text) {
		switch f {
		case "*":
			m.rest = true
		case "**":
			m.extras = true
		default:
			name, required := strings.CutSuffix(f, "!")
			m.params = append(m.params, parameter{name, required})
		}
	}
	return m
}

// bind matches the arguments with the parameters, and complains as Python does.
func (d *Daemon) bind(m method, e *envelope) error {
	c, name := e.call, d.qualified(m, e.call.Method)
	if text := notIterable(e.params); text != "" {
		return exceptionf("TypeError: %s argument after * must be an iterable, not %s", d.spelledOut(name), text)
	}
	if len(c.Args) > len(m.params) && !m.rest {
		return d.tooMany(m, c, name)
	}
	c.bound = map[string]json.RawMessage{}
	for i, a := range c.Args[:min(len(c.Args), len(m.params))] {
		c.bound[m.params[i].name] = a
	}
	for n, a := range c.Named {
		known := slices.ContainsFunc(m.params, func(p parameter) bool { return p.name == n })
		switch _, twice := c.bound[n]; {
		case twice:
			return exceptionf("TypeError: %s got multiple values for argument '%s'", name, n)
		case !known && !m.extras:
			return exceptionf("TypeError: %s got an unexpected keyword argument '%s'", name, n)
		}
		c.bound[n] = a
	}
	return missing(m, c, name)
}

func (d *Daemon) qualified(m method, name string) string {
	switch {
	case d.coin.family == Account:
		return "BlockProcessorDaemon." + name + "()"
	case m.own:
		return d.coin.symbol + "Daemon." + name + "()"
	}
	return "Commands." + name + "()"
}

// spelledOut is how Python names a method that it could not even begin to call.
func (d *Daemon) spelledOut(name string) string {
	switch d.coin.family {
	case Electrum:
		return "electrum.commands." + name
	case ElectronCash:
		return "electroncash.commands." + name
	}
	return "functools.partial(<bound method " + strings.TrimSuffix(name, "()") + ">, wallet=None)"
}

func (d *Daemon) tooMany(m method, c *Call, name string) error {
	if d.coin.family == Account { // the wallet is the argument behind the declared ones
		return exceptionf("TypeError: %s got multiple values for argument 'wallet'", name)
	}
	plural := "s"
	if len(m.params) == 0 {
		plural = ""
	}
	return exceptionf("TypeError: %s takes %d positional argument%s but %d were given", name, len(m.params)+1, plural, len(c.Args)+1)
}

func missing(m method, c *Call, name string) error {
	var names []string
	for _, p := range m.params {
		if _, ok := c.bound[p.name]; p.required && !ok {
			names = append(names, "'"+p.name+"'")
		}
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		return exceptionf("TypeError: %s missing 1 required positional argument: %s", name, names[0])
	}
	return exceptionf("TypeError: %s missing %d required positional arguments: %s", name, len(names), strings.Join(names, " and "))
}

// notIterable is Python's name for the type of params that cannot be spread, "" for others.
func notIterable(params json.RawMessage) string {
	if len(params) == 0 {
		return ""
	}
	switch c := params[0]; {
	case c == 'n':
		return "NoneType"
	case c == 't' || c == 'f':
		return "bool"
	case c == '-' || c >= '0' && c <= '9':
		if strings.ContainsAny(string(params), ".eE") {
			return "float"
		}
		return "int"
	}
	return ""
}

// has tells whether an argument was given and is not null.
func (c *Call) has(name string) bool {
	raw, ok := c.bound[name]
	return ok && string(raw) != "null"
}

// text is an argument as text: a string, or a number as it was written.
func (c *Call) text(name string) string { return textOf(c.bound[name]) }

func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func (c *Call) flag(name string) bool { return c.has(name) && !falsy(c.bound[name]) }

func (c *Call) number(name string, standard int64) (int64, error) {
	if !c.has(name) {
		return standard, nil
	}
	v, err := parseDecimal(c.bound[name])
	if err != nil {
		return 0, exceptionf("ValueError: invalid literal for int() with base 10: %s", fmt.Sprintf("%q", c.text(name)))
	}
	return v.IntPart(), nil
}

var errDecimal = exception("decimal.InvalidOperation: [<class 'decimal.ConversionSyntax'>]")

// parseDecimal is Python's Decimal(): text is exact, a JSON number with a point goes through a
// binary float.
func parseDecimal(raw json.RawMessage) (decimal.Decimal, error) {
	var text string
	if len(raw) == 0 || string(raw) == "null" {
		return decimal.Decimal{}, exception("TypeError: conversion from NoneType to Decimal is not supported")
	}
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
		var f float64
		if strings.ContainsAny(text, ".eE") && json.Unmarshal(raw, &f) == nil {
			return exactFloat(f)
		}
	}
	v, err := decimal.NewFromString(strings.TrimSpace(text))
	if err != nil || v.Exponent() > 100 || v.Exponent() < -100 || len(text) > 200 {
		return decimal.Decimal{}, errDecimal
	}
	return v, nil
}
