module github.com/bitcart-go/bitcart/examples/webhook

go 1.25.0

require (
	github.com/bitcart-go/bitcart v0.0.0
	github.com/bitcart-go/bitcart/blockio/boltseen v0.0.0
	github.com/shopspring/decimal v1.6.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
	go.etcd.io/bbolt v1.4.3 // indirect
	golang.org/x/crypto v0.52.0 // indirect
	golang.org/x/sys v0.45.0 // indirect
)

replace (
	github.com/bitcart-go/bitcart => ../..
	github.com/bitcart-go/bitcart/blockio/boltseen => ../../blockio/boltseen
)
