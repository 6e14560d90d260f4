package bitcarttest

import (
	"encoding/json"
	"time"
)

// TRX transactions are objects all the way: unsigned, signed, and as broadcast takes them.

// prepareTron builds a transaction without asking the node: whether it can be paid shows at
// broadcast.
func (d *Daemon) prepareTron(c *Call, t *draft) (any, error) {
	if !t.unsigned && !d.signs(c.wallet.spec) && !c.has("private_key") {
		return nil, errWatchOnly
	}
	limit, err := d.feeLimit(c, t)
	if err != nil {
		return nil, err
	}
	body, err := encode(d.tronBody(t, limit))
	if err != nil {
		return nil, err
	}
	t.body = body
	id := hexSum(string(body) + randomHex(8))
	d.keepDraftAs(id, t)
	return tronObject(id, t), nil
}

// feeLimit is in sun: the fee that was given, or for token transfers the daemon's own limit.
func (d *Daemon) feeLimit(c *Call, t *draft) (json.RawMessage, error) {
	switch {
	case c.has("fee"):
		fee, err := positive(c, "fee")
		return units(fee, d.coin.decimals), err
	case t.contract != "":
		return json.RawMessage("30000000"), nil
	}
	return nil, nil
}

func (d *Daemon) tronBody(t *draft, limit json.RawMessage) object {
	now := d.cfg.now()
	kind, value := "TransferContract", object{
		{"amount", units(t.outputs[0].value, d.coin.decimals)}, {"owner_address", t.wallet.address}, {"to_address", t.outputs[0].to},
	}
	if t.contract != "" {
		kind, value = "TriggerSmartContract", object{
			{"data", transferSelector + hexSum(t.outputs[0].to) + hexSum(t.outputs[0].value.String())},
			{"owner_address", t.wallet.address}, {"contract_address", t.contract},
		}
	}
	body := object{
		{"contract", []object{{
			{"parameter", object{{"value", value}, {"type_url", "type.googleapis.com/protocol." + kind}}}, {"type", kind},
		}}},
		{"ref_block_bytes", randomHex(2)}, {"ref_block_hash", randomHex(8)},
		{"expiration", now.Add(time.Minute).UnixMilli()}, {"timestamp", now.UnixMilli()},
	}
	if limit != nil {
		body = append(body, member{"fee_limit", limit})
	}
	return body
}

func tronObject(id string, t *draft) object {
	signatures := []string{}
	if !t.unsigned {
		signatures = append(signatures, tronSignature(id))
	}
	return object{{"txID", id}, {"raw_data", t.body}, {"signature", signatures}, {"permission", nil}}
}

func tronSignature(id string) string { return hexSum(id) + hexSum(id+"s") + "01" }

// tronDraft finds the draft of a transaction object. The daemon signs and sends only what it made.
func (d *Daemon) tronDraft(fields map[string]json.RawMessage) (id string, t *draft, err error) {
	if json.Unmarshal(fields["txID"], &id) != nil {
		return "", nil, errNoTransaction
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t = d.drafts[id]
	switch {
	case t == nil && d.chain.txs[id] != nil:
		return "", nil, errTronRepeated
	case t == nil:
		return "", nil, errNoTransaction
	}
	return id, t, nil
}

func (d *Daemon) signTron(fields map[string]json.RawMessage) (any, error) {
	id, t, err := d.tronDraft(fields)
	if err != nil {
		return nil, err
	}
	signed := *t
	signed.unsigned = false
	d.keepDraftAs(id, &signed)
	return tronObject(id, &signed), nil
}

// sendTron goes by the signature in the object, not by what the daemon remembers.
func (d *Daemon) sendTron(text string) (any, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &fields) != nil || fields == nil {
		return nil, errNoTransaction
	}
	id, t, err := d.tronDraft(fields)
	if err != nil {
		return nil, err
	}
	var signatures []string
	if json.Unmarshal(fields["signature"], &signatures) != nil || len(signatures) == 0 {
		return nil, errTronUnsigned
	}
	if err := d.payable(t); err != nil {
		return nil, err
	}
	d.send(t, id, id)
	return id, nil
}

func tronHash(_ *Daemon, c *Call) (any, error) {
	fields, err := transactionObject(c, "tx_data")
	if err != nil {
		return nil, err
	}
	var id string
	if json.Unmarshal(fields["txID"], &id) != nil {
		return nil, exception("KeyError: 'txID'")
	}
	return id, nil
}
