package wsconn

import (
	"errors"
	"net"
	"time"
)

// inbound is the network below the websocket, as its reader meets it: many
// frames in one read. It bounds the answer to the upgrade, and notes once per
// read what would be too dear once per frame. Only the goroutine that reads
// uses its fields.
type inbound struct {
	net.Conn
	left  int // of the answer to the upgrade, while limit is set
	limit bool
	at    time.Time // when the last bytes came
	fresh bool      // that was not noted as a sign of life yet
	wait  func()    // Config.BeforeWait; nil = nobody asks
}

func (c *inbound) Read(p []byte) (n int, err error) {
	if c.limit {
		if c.left <= 0 {
			return 0, errors.New("the answer to the upgrade is too long")
		}
		p = p[:min(len(p), c.left)]
	}
	if c.wait != nil {
		c.wait()
	}
	n, err = c.Conn.Read(p)
	c.at, c.fresh = time.Now(), true
	c.left -= n
	return n, err
}

func (c *inbound) Close() error {
	closeConn(c.Conn)
	return nil
}
