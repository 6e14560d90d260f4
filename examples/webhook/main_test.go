package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
)

func TestDemo(t *testing.T) {
	var log bytes.Buffer
	if err := runDemo(t.Context(), slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	for _, want := range []string{"status=401", "status=503", "one payment was credited once"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "forged") {
		t.Errorf("the forgery reached the shop:\n%s", &log)
	}
}

func TestPrefixes(t *testing.T) {
	var got []netip.Prefix
	if err := prefixes(&got)("10.0.0.0/8,192.0.2.1,2001:db8::1"); err != nil {
		t.Fatal(err)
	}
	var want []netip.Prefix
	for _, text := range []string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::1/128"} {
		want = append(want, netip.MustParsePrefix(text))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if prefixes(&got)("10.0.0.0/8,here") == nil {
		t.Error("no error for junk")
	}
}

// The service tells of each change of a balance: what the address pays is no
// payment to the shop.
func TestSpendingIsNotCredited(t *testing.T) {
	shop := newBooks(slog.New(slog.DiscardHandler))
	for i, change := range []string{"0.01000000", "-0.01000000", "0.00000000", "0.01000000"} {
		p := payment(3)
		p.TxID, p.BalanceChange = string(rune('a'+i)), decimal.RequireFromString(change)
		_ = shop.payment(t.Context(), nil, p) // the first one fails, to show the second
	}
	if n := shop.count(); n != 1 {
		t.Errorf("%d payments were credited, not 1", n)
	}
}
