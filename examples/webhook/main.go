// Webhook is a service that receives a notification service's web hooks. It
// checks the sender's address and Basic credentials, remembers in a file what
// was handled, and credits each payment once.
//
//	HOOK_PASSWORD=... webhook -addr :8080 -proxies 10.0.0.0/8
//
// The notification's URL is then https://shop:PASSWORD@your.host/hooks, with
// the TLS of a proxy in front. With -demo it runs for a moment against a
// service inside this process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/boltseen"
)

// settings is what the service is told from outside.
type settings struct {
	path, user, password, db string
	sources, proxies         []netip.Prefix
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	s := settings{password: os.Getenv("HOOK_PASSWORD")}
	flag.StringVar(&s.path, "path", "/hooks", "path of the web hook")
	flag.StringVar(&s.user, "user", "shop", "user of the web hook; its password is in HOOK_PASSWORD")
	flag.StringVar(&s.db, "db", "seen.db", "file of the events that were handled")
	flag.Func("sources", "addresses that web hooks come from, by commas; default: those that the service has published", prefixes(&s.sources))
	flag.Func("proxies", "addresses of the proxies in front, by commas", prefixes(&s.proxies))
	demo := flag.Bool("demo", false, "run against a service inside this process, then end")
	flag.Parse()

	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	if *demo {
		err = runDemo(ctx, log)
	} else {
		err = listenAndServe(ctx, log, s, *addr)
	}
	if err != nil {
		log.Error("webhook ended", "error", err)
		os.Exit(1)
	}
}

// prefixes parses a flag: networks, or single addresses.
func prefixes(list *[]netip.Prefix) func(string) error {
	return func(text string) error {
		for _, item := range strings.Split(text, ",") {
			p, err := netip.ParsePrefix(item)
			if addr, addrErr := netip.ParseAddr(item); addrErr == nil {
				p, err = addr.Prefix(addr.BitLen())
			}
			if err != nil {
				return err
			}
			*list = append(*list, p)
		}
		return nil
	}
}

func listenAndServe(ctx context.Context, log *slog.Logger, s settings, addr string) error {
	if s.password == "" {
		return errors.New("HOOK_PASSWORD is not set")
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return serve(ctx, log, s, newBooks(log), listener)
}

// serve answers until ctx ends, and then waits for the handlers.
func serve(ctx context.Context, log *slog.Logger, s settings, shop *books, listener net.Listener) (err error) {
	defer listener.Close()
	seen, err := boltseen.Open(s.db, boltseen.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seen.Close()) }()
	receiver, err := newReceiver(log, s, shop, seen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(s.path, receiver)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Info("listening", "addr", listener.Addr())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	// What is still being handled after that is delivered again: it was not
	// answered, and its commit fails once the file is closed.
	err = server.Shutdown(grace)
	<-ended
	return err
}

func newReceiver(log *slog.Logger, s settings, shop *books, seen blockio.Seen) (*blockio.Receiver, error) {
	dispatcher, err := bitcart.NewDispatcher(bitcart.WithLogger(log))
	if err != nil {
		return nil, err
	}
	bitcart.On(dispatcher, shop.payment)
	receiver, err := blockio.NewReceiver(dispatcher,
		blockio.WithVerifier(blockio.AllOf(
			blockio.SourceAddrs(s.sources, s.proxies),
			blockio.BasicAuth(s.user, s.password),
		)),
		blockio.WithSeen(seen),
		blockio.WithIgnored(blockio.EventNewBlocks),
		blockio.WithLogger(log),
	)
	if err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	return receiver, nil
}
