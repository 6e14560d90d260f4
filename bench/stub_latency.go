package main
import "context"
func latencyRows(context.Context, plan) ([]row, error) { return nil, nil }
