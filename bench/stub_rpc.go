package main
import "context"
func rpcRows(context.Context, plan) ([]row, error) { return nil, nil }
