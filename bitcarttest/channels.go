package bitcarttest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// node is the lightning side of a wallet.
type node struct {
	peers    []string // node ids, in the order of connecting
	hosts    map[string]string
	channels []*channel
}

type channel struct {
	peer, id, point string
	local, remote   decimal.Decimal
	backup          bool
	height          int64 // of the block it was opened in, 0 while that is to come
	closing         string
}

// nodeOf is called under mu.
func (d *Daemon) nodeOf(key string) *node {
	n := d.nodes[key]
	if n == nil {
		n = &node{hosts: map[string]string{}}
		d.nodes[key] = n
	}
	return n
}

// inChannels is the wallet's part of its open channels. The caller holds mu.
func (d *Daemon) inChannels(key string) decimal.Decimal {
	sum := decimal.Zero
	if n := d.nodes[key]; n != nil {
		for _, ch := range n.channels {
			if ch.closing == "" && !ch.backup {
				sum = sum.Add(ch.local)
			}
		}
	}
	return sum
}

// Channel is a lightning channel for AddChannel. Local is what the wallet can send, Remote what it
// can receive, as decimal text in whole coins; "" is nothing.
type Channel struct {
	Peer          string // node id, 66 hexadecimal digits; "" for a random one
	Local, Remote string
	Backup        bool // only a backup of a channel: nothing can be sent or received by it
}

// AddChannel gives a wallet an open lightning channel, and its peer, out of nothing. It returns the
// channel's point, "txid:n". The wallet must be loaded (ErrUnknownWallet).
func (d *Daemon) AddChannel(walletKey string, ch Channel) (point string, err error) {
	h, err := Balance{Confirmed: ch.Local, Unconfirmed: ch.Remote}.parse()
	if err != nil {
		return "", err
	}
	if h.confirmed.IsNegative() || h.unconfirmed.IsNegative() {
		return "", errors.New("bitcarttest: a channel holds no debts")
	}
	peer := ch.Peer
	if peer == "" {
		peer = "02" + randomHex(32)
	}
	if !validNodeID(peer) {
		return "", errors.New("bitcarttest: a node id has 66 hexadecimal digits")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.coin.lightning:
		return "", fmt.Errorf("bitcarttest: no lightning on %s", d.coin.symbol)
	case d.wallets[walletKey] == nil:
		return "", ErrUnknownWallet
	}
	n := d.nodeOf(walletKey)
	n.connect(peer, "127.0.0.1:9735")
	made := &channel{
		peer: peer, id: randomHex(32), point: randomHex(32) + ":1", local: h.confirmed, remote: h.unconfirmed,
		backup: ch.Backup, height: d.chain.height,
	}
	n.channels = append(n.channels, made)
	return made.point, nil
}

func (n *node) connect(id, host string) {
	if _, known := n.hosts[id]; !known {
		n.peers = append(n.peers, id)
	}
	n.hosts[id] = host
}

func validNodeID(id string) bool {
	raw, err := hex.DecodeString(id)
	return err == nil && len(raw) == 33
}

var errNodeID = exception("electrum.lnutil.ConnStringFormatError: Invalid node ID, must be 33 bytes and hexadecimal")

func addPeer(d *Daemon, c *Call) (any, error) {
	if _, err := d.connectPeer(c); err != nil {
		return nil, err
	}
	return true, nil
}

func (d *Daemon) connectPeer(c *Call) (id string, err error) {
	id, host, _ := strings.Cut(c.text("connection_string"), "@")
	if !validNodeID(id) {
		return "", errNodeID
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodeOf(c.wallet.key)
	if len(n.peers) < maxDrafts {
		n.connect(id, host)
	}
	return id, nil
}

func listPeers(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, out := d.nodeOf(c.wallet.key), []object{}
	if c.flag("gossip") {
		return out, nil
	}
	for _, id := range n.peers {
		points := []string{}
		for _, ch := range n.channels {
			if ch.peer == id && !ch.backup {
				points = append(points, ch.point)
			}
		}
		out = append(out, object{
			{"node_id", id}, {"address", id[:16] + "@" + n.hosts[id]}, {"initialized", true},
			{"features", "LnFeatures.OPTION_DATA_LOSS_PROTECT_OPT|GOSSIP_QUERIES_OPT"}, {"channels", points},
		})
	}
	return out, nil
}

func listChannels(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	channels, backups := []object{}, []object{}
	for _, ch := range d.nodeOf(c.wallet.key).channels {
		if ch.backup {
			backups = append(backups, ch.common("BACKUP", "OPENING"))
			continue
		}
		channels = append(channels, ch.object())
	}
	return append(channels, backups...), nil
}

func (ch *channel) common(kind, state string) object {
	var short, closing any
	if ch.height > 0 && !ch.backup {
		short = fmt.Sprintf("%dx1x1", ch.height)
	}
	if ch.closing != "" {
		closing = ch.closing
	}
	return object{
		{"type", kind}, {"short_channel_id", short}, {"channel_id", ch.id}, {"channel_point", ch.point},
		{"closing_txid", closing}, {"state", state},
	}
}

func (ch *channel) object() object {
	state, peerState := "OPENING", "GOOD"
	switch {
	case ch.closing != "":
		state, peerState = "CLOSED", "DISCONNECTED"
	case ch.height > 0:
		state = "OPEN"
	}
	reserve := units(ch.local.Add(ch.remote).Shift(-2), 8) // a hundredth
	return append(ch.common("CHANNEL", state), object{
		{"peer_state", peerState}, {"remote_pubkey", ch.peer}, {"local_balance", units(ch.local, 8)}, {"remote_balance", units(ch.remote, 8)},
		{"local_ctn", 0}, {"remote_ctn", 0}, {"local_reserve", reserve}, {"remote_reserve", reserve},
		{"local_unsettled_sent", 0}, {"remote_unsettled_sent", 0},
	}...)
}

// openChannel spends coins into a channel, which is open from the next block on.
func openChannel(d *Daemon, c *Call) (any, error) {
	id, err := d.connectPeer(c)
	if err != nil {
		return nil, err
	}
	t := &draft{
		wallet: c.wallet, size: d.cfg.txSize, fee: d.sizeFee(int64(d.cfg.txSize)),
		outputs: []output{{to: d.coin.newAddress(), amount: c.bound["amount"]}},
	}
	if err := d.fund(t); err != nil {
		return nil, err
	}
	text := d.keepDraft(t)
	txid := d.draftID(text)
	made := &channel{peer: id, id: randomHex(32), point: txid + ":0", local: t.total()}
	d.mu.Lock()
	n := d.nodeOf(c.wallet.key)
	n.channels = append(n.channels, made)
	d.mu.Unlock()
	d.send(t, text, txid)
	return made.point, nil
}

// settleChannels opens the channels whose transaction is in the block at a height. The caller holds
// mu.
func (d *Daemon) settleChannels(height int64) {
	for _, n := range d.nodes {
		for _, ch := range n.channels {
			if ch.height == 0 {
				ch.height = height
			}
		}
	}
}

// closeChannel brings the wallet's part back as coins.
func closeChannel(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	n := d.nodeOf(c.wallet.key)
	at := slices.IndexFunc(n.channels, func(ch *channel) bool {
		return ch.point == c.text("channel_point") && ch.closing == "" && !ch.backup
	})
	if at < 0 {
		d.mu.Unlock()
		return nil, exceptionf("Exception: channel not found: %s", c.text("channel_point"))
	}
	ch := n.channels[at]
	ch.closing = d.coin.newTxID()
	back := &transaction{
		id: ch.closing, xpub: c.wallet.spec.Xpub, from: d.coin.newAddress(), to: d.coin.newAddress(), amount: ch.local,
		created: d.cfg.now(), parent: randomHex(32), script: randomHex(20),
	}
	d.mu.Unlock()
	d.events.Lock()
	defer d.events.Unlock()
	if back.amount.IsPositive() {
		d.deliver(back, false)
	}
	return back.id, nil
}

// sendByChannels takes an amount out of the first open channel that has it, or else out of what
// SetBalance has given. The caller holds mu.
func (d *Daemon) sendByChannels(key string, amount decimal.Decimal) bool {
	for _, ch := range d.nodeOf(key).channels {
		if !ch.backup && ch.closing == "" && ch.height > 0 && ch.local.GreaterThanOrEqual(amount) {
			ch.local, ch.remote = ch.local.Sub(amount), ch.remote.Add(amount)
			return true
		}
	}
	w := d.wallets[key]
	if w == nil {
		return false
	}
	p := d.placeOf(w)
	h := d.granted[p]
	if h.lightning.LessThan(amount) {
		return false
	}
	h.lightning = h.lightning.Sub(amount)
	d.granted[p] = h
	return true
}

// receiveByChannels is called under mu.
func (d *Daemon) receiveByChannels(w *wallet, amount decimal.Decimal) {
	for _, ch := range d.nodeOf(w.key).channels {
		if !ch.backup && ch.closing == "" && ch.height > 0 && ch.remote.GreaterThanOrEqual(amount) {
			ch.local, ch.remote = ch.local.Add(amount), ch.remote.Sub(amount)
			return
		}
	}
	p := d.placeOf(w)
	h := d.granted[p]
	h.lightning = h.lightning.Add(amount)
	d.granted[p] = h
}

// canReceive tells whether a channel has room for an amount. The caller holds mu.
func (d *Daemon) canReceive(key string, amount decimal.Decimal) bool {
	n := d.nodes[key]
	return n != nil && slices.ContainsFunc(n.channels, func(ch *channel) bool {
		return !ch.backup && ch.closing == "" && ch.height > 0 && ch.remote.GreaterThanOrEqual(amount)
	})
}
