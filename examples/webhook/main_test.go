package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
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
