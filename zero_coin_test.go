package bitcart_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// A Coin that NewCoin did not make has no daemon: its methods say so, and none panics.
func TestCoinThatIsNone(t *testing.T) {
	t.Parallel()
	isError := reflect.TypeFor[error]()
	for _, coin := range []*bitcart.Coin{nil, {}} {
		v := reflect.ValueOf(coin)
		for i := range v.NumMethod() {
			m := v.Type().Method(i)
			t.Run(fmt.Sprint(m.Name, " ", coin == nil), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				var out []reflect.Value
				require.NotPanics(t, func() { out = v.Method(i).Call(argumentsOf(m.Type, ctx)) })
				for _, o := range out {
					if o.Type() == isError && m.Name != "MarshalJSON" {
						err, _ := o.Interface().(error)
						require.ErrorIs(t, err, bitcart.ErrNoDaemon)
						require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
					} else if m.Name != "String" && m.Name != "GoString" && m.Name != "LogValue" && m.Name != "Events" && m.Name != "MarshalJSON" {
						require.True(t, o.IsZero())
					}
				}
			})
		}
	}
}

func TestEventsOfACoinThatIsNone(t *testing.T) {
	t.Parallel()
	for _, coin := range []*bitcart.Coin{nil, {}} {
		pairs := 0
		for ev, err := range coin.Events(t.Context()) {
			require.Nil(t, ev)
			require.ErrorIs(t, err, bitcart.ErrNoDaemon)
			pairs++
		}
		require.Equal(t, 1, pairs)
	}
}

// argumentsOf are some values for a method's parameters.
func argumentsOf(method reflect.Type, ctx context.Context) []reflect.Value {
	var args []reflect.Value
	for i := 1; i < method.NumIn(); i++ {
		switch in := method.In(i); {
		case method.IsVariadic() && i == method.NumIn()-1:
		case in == reflect.TypeFor[context.Context]():
			args = append(args, reflect.ValueOf(ctx))
		case in == reflect.TypeFor[fmt.State]():
			args = append(args, reflect.ValueOf(discardState{}))
		case in.Kind() == reflect.String:
			args = append(args, reflect.ValueOf("x"))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	return args
}

// discardState is a fmt.State that prints nowhere.
type discardState struct{ fmt.State }

func (discardState) Write(b []byte) (int, error) { return len(b), nil }
