package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// A flood is frames as fast as they are taken, many in one write, so that the
// sender costs little. The client says how far its handlers are: a sender that
// ran ahead would fill queues, which is another thing to measure.

// block is how many frames the sender writes at once.
const block = 256

// inFlight is how many blocks the sender may be ahead of the handlers: enough
// to keep the socket full.
const inFlight = 16

// perCredit is how many blocks the sender sends for one credit: few credits,
// since what it costs to give one counts as the client's.
const perCredit = 4

// flood writes the blocks that the order asks for. Each byte of the request's
// body is a credit for some more blocks.
func (s *sender) flood(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query() // the body is no form
	wallets, errWallets := strconv.Atoi(query.Get("wallets"))
	ordered, errBlocks := strconv.Atoi(query.Get("blocks"))
	if err := errors.Join(errWallets, errBlocks); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	conn := s.conn
	if s.blocks[wallets] == nil {
		s.blocks[wallets] = encode(framesFor(walletsOf(wallets)))
	}
	blocks := s.blocks[wallets]
	s.mu.Unlock()
	credits := bufio.NewReader(r.Body)
	for i := range ordered {
		if i >= inFlight && i%perCredit == 0 {
			if _, err := credits.ReadByte(); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		if _, err := conn.Write(blocks[i%len(blocks)]); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}

// encode puts messages into websocket frames, a block of them together.
func encode(messages [][]byte) (blocks [][]byte) {
	for i, msg := range messages {
		if i%block == 0 {
			blocks = append(blocks, nil)
		}
		last := &blocks[len(blocks)-1]
		*last = frame(*last, text, msg)
	}
	return blocks
}

// flooding is the client's side.
type flooding struct {
	n       int64 // frames
	body    *io.PipeReader
	credits *io.PipeWriter
	done    chan error
	all     chan struct{} // closed when all were handled
}

func newFlooding(n int) *flooding {
	f := &flooding{n: int64(n), done: make(chan error, 1), all: make(chan struct{})}
	f.body, f.credits = io.Pipe()
	return f
}

// begin asks the sender for the frames, over so many wallets.
func (f *flooding) begin(ctx context.Context, p *process, wallets int) {
	query := url.Values{"wallets": {strconv.Itoa(wallets)}, "blocks": {strconv.FormatInt(f.n/block, 10)}}
	go func() { // wait waits for it
		err := p.order(ctx, "/flood?"+query.Encode(), f.body, nil)
		_ = f.body.Close() // credits that come yet are needed no more
		f.done <- err
	}()
}

// handled is told how many frames were handled so far, by whoever has handled
// the last of them.
func (f *flooding) handled(n int64) {
	if n%(perCredit*block) == 0 {
		_, _ = f.credits.Write([]byte{1}) // fails when the sender needs none any more
	}
	if n == f.n {
		close(f.all)
	}
}

// wait waits for the end of the flood.
func (f *flooding) wait() error {
	_ = f.credits.Close()
	return <-f.done
}
