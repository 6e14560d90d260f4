package main
import "context"
func rearmRows(context.Context, plan) ([]row, error) { return nil, nil }
