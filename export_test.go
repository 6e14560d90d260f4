package bitcart

import "time"

// WithPatience sets how long a wallet's live events wait for its answer.
func WithPatience(d time.Duration) Option {
	return option{"WithPatience", anywhere, func(s *settings) error {
		s.patience = d
		return nil
	}}
}
