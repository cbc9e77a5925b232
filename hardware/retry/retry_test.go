package retry_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nachtfach/nachtfach/hardware/retry"
)

var errNoise = errors.New("noise")

func TestOneFailedExchangeIsRepeated(t *testing.T) {
	for fails, want := range map[int]error{0: nil, 1: nil, 2: nil, 3: errNoise} {
		calls := 0
		err := retry.Do(t.Context(), retry.Attempts, retry.Always, func() error {
			if calls++; calls <= fails {
				return errNoise
			}
			return nil
		})
		if !errors.Is(err, want) || calls != min(fails+1, retry.Attempts) {
			t.Errorf("%d failures: %v after %d calls", fails, err, calls)
		}
	}
}

func TestALastingErrorIsNotRepeated(t *testing.T) {
	calls := 0
	lasting := errors.New("wrong password")
	err := retry.Do(t.Context(), retry.Attempts, func(err error) bool { return !errors.Is(err, lasting) }, func() error {
		calls++
		return lasting
	})
	if !errors.Is(err, lasting) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestNothingIsRepeatedAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := 0
	if err := retry.Do(ctx, retry.Attempts, retry.Always, func() error { calls++; return errNoise }); !errors.Is(err, errNoise) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
