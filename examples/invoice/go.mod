module github.com/bitcart-go/bitcart/examples/invoice

go 1.25.0

replace github.com/bitcart-go/bitcart => ../..

require (
	github.com/bitcart-go/bitcart v0.0.0-00010101000000-000000000000
	github.com/mdp/qrterminal/v3 v3.2.1
	github.com/shopspring/decimal v1.6.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.52.0 // indirect
	golang.org/x/sys v0.45.0 // indirect
	golang.org/x/term v0.43.0 // indirect
	rsc.io/qr v0.2.0 // indirect
)
