package wsconn

import (
	"bufio"
	"bytes"
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
	early *bufio.Reader // of the answer to the upgrade
	limit bool          // the answer has not been read
	begun bool          // but what comes before it has
	left  int           // that the answer may have
	at    time.Time     // when the last bytes came
	fresh bool          // that was not noted as a sign of life yet
	wait  func()        // Config.BeforeWait; nil = nobody asks
}

func newInbound(nc net.Conn) *inbound {
	c := &inbound{Conn: nc, limit: true, left: maxHandshakeBytes}
	c.early = bufio.NewReader(bounded{c})
	return c
}

func (c *inbound) Read(p []byte) (n int, err error) {
	if c.limit || c.early.Buffered() > 0 {
		return c.readAnswer(p)
	}
	if c.wait != nil {
		c.wait()
	}
	return c.read(p)
}

func (c *inbound) read(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	c.at, c.fresh = time.Now(), true
	return n, err
}

var errAnswerTooLong = errors.New("the answer to the upgrade is too long")

// bounded reads what the answer to the upgrade may have.
type bounded struct{ c *inbound }

func (b bounded) Read(p []byte) (n int, err error) {
	if b.c.left <= 0 {
		return 0, errAnswerTooLong
	}
	n, err = b.c.read(p[:min(len(p), b.c.left)])
	b.c.left -= n
	return n, err
}

func (c *inbound) readAnswer(p []byte) (n int, err error) {
	for !c.begun {
		switch interim, err := c.isInterim(); {
		case errors.Is(err, errAnswerTooLong):
			return 0, err
		case err != nil:
			c.begun = true // who reads on meets it, too, behind what has come
		case interim:
			if err := c.skipHead(); err != nil {
				return 0, err
			}
		default:
			c.begun = true
		}
	}
	return c.early.Read(p)
}

// isInterim: what comes next is an answer of status 1xx that another one follows.
// The library below takes it for the answer to the upgrade. It waits for no byte
// behind one that tells.
func (c *inbound) isInterim() (bool, error) {
	const like = "HTTP/1.x 1"
	for n := 1; n <= len(like); n++ {
		head, err := c.early.Peek(n)
		if err != nil {
			return false, err
		}
		if want := like[n-1]; want != 'x' && head[n-1] != want {
			return false, nil
		}
	}
	head, err := c.early.Peek(len(like) + 2)
	return err == nil && string(head[len(like)-1:]) != "101", err
}

// skipHead steps over the lines of an answer up to the empty one.
func (c *inbound) skipHead() error {
	for whole := true; ; {
		line, err := c.early.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if err == nil && whole && len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil
		}
		whole = err == nil
	}
}

func (c *inbound) Close() error {
	closeConn(c.Conn)
	return nil
}
