package bitcart

import "github.com/bitcart-go/bitcart/internal/jitter"

// readings are the wallets whose queue is being read, by their keys: the daemon
// empties a queue for whoever reads it, so two calls at once would share it out.
// That holds for a wallet that was removed and added again, too.
type readings struct {
	mu      jitter.Mutex // a leaf
	wallets map[string]struct{}
}

// begin reports whether nobody reads the wallet's queue; then the caller does
// until end.
func (r *readings) begin(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.wallets[key]; taken {
		return false
	}
	if r.wallets == nil {
		r.wallets = make(map[string]struct{})
	}
	r.wallets[key] = struct{}{}
	return true
}

func (r *readings) end(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.wallets, key)
}
