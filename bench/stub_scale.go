package main
import "context"
func scaleRows(context.Context, plan) ([]row, error) { return nil, nil }
