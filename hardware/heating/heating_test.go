package heating_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"periph.io/x/conn/v3/physic"

	"github.com/nachtfach/nachtfach/hardware/heating"
)

// box is a reader's housing: its temperatures, one for each look, and what the
// heater was told.
type box struct {
	degrees []float64 // 999: the thermometer fails
	at      int
	heater  []bool
	fails   bool
	told    []error
}

func (b *box) Sense(e *physic.Env) error {
	d := b.degrees[min(b.at, len(b.degrees)-1)]
	b.at++
	if d == 999 {
		return errors.New("i2c: no answer")
	}
	e.Temperature = physic.ZeroCelsius + physic.Temperature(d*float64(physic.Celsius))
	return nil
}

func (b *box) Switch(on bool) error {
	b.heater = append(b.heater, on)
	if b.fails {
		return errors.New("relay: no answer")
	}
	return nil
}

// run looks once for each temperature and lets the heating end.
func (b *box) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h, err := heating.New(heating.Config{
		On: physic.ZeroCelsius + 3*physic.Celsius, Off: physic.ZeroCelsius + 6*physic.Celsius,
		Thermometer: b, Heater: b, Poll: time.Minute, Limit: 3 * time.Minute,
		After: func(time.Duration) <-chan time.Time {
			if b.at == len(b.degrees) {
				cancel()
			}
			c := make(chan time.Time, 1)
			c <- time.Time{}
			return c
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = h.Run(ctx, func(err error) { b.told = append(b.told, err) }) // its error is ctx's
}

func (b *box) want(t *testing.T, levels ...bool) {
	t.Helper()
	levels = append(levels, false) // at the end
	for i := range levels {
		if i >= len(b.heater) || b.heater[i] != levels[i] {
			t.Fatalf("heater %v, want %v", b.heater, levels)
		}
	}
}

func TestItHeatsFromBelowUntilAbove(t *testing.T) {
	b := &box{degrees: []float64{8, 3.5, 2.9, 4, 5.9, 6.1, 4, 3}}
	b.run(t)
	b.want(t, false, false, true, true, true, false, false, false)
	if len(b.told) != 1 || b.told[0] != nil {
		t.Errorf("told %v", b.told)
	}
}

func TestWithoutATemperatureItIsOff(t *testing.T) {
	b := &box{degrees: []float64{1, 999, 999, 1, -60, 120, 1}}
	b.run(t)
	b.want(t, true, false, false, true, false, false, true)
	if len(b.told) != 5 || b.told[1] == nil || b.told[2] != nil || !errors.Is(b.told[3], heating.ErrThermometer) || b.told[4] != nil {
		t.Errorf("told %v", b.told)
	}
}

func TestItDoesNotHeatInVainForEver(t *testing.T) {
	b := &box{degrees: []float64{1, 1, 1, 1, 1, 1, 7, 1}}
	b.run(t)
	b.want(t, true, true, true, true, false, false, false, true)
	if len(b.told) != 3 || !errors.Is(b.told[1], heating.ErrInVain) || b.told[2] != nil {
		t.Errorf("told %v", b.told)
	}
}

func TestAHeaterThatDoesNotAnswerIsTold(t *testing.T) {
	b := &box{degrees: []float64{1, 1}, fails: true}
	b.run(t)
	if len(b.told) != 1 || b.told[0] == nil {
		t.Errorf("told %v", b.told)
	}
}

func TestTheKernelsThermometerIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "temp")
	var e physic.Env
	if err := heating.File(path).Sense(&e); err == nil {
		t.Error("read what is not there")
	}
	for text, want := range map[string]physic.Temperature{"21500\n": 21500 * physic.MilliCelsius, "-3250\n": -3250 * physic.MilliCelsius} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := heating.File(path).Sense(&e); err != nil || e.Temperature != physic.ZeroCelsius+want {
			t.Errorf("%q: %v, %v", text, e.Temperature, err)
		}
	}
	if err := os.WriteFile(path, []byte("warm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := heating.File(path).Sense(&e); err == nil {
		t.Error("warm is a temperature")
	}
}

func TestALimitThatMakesNoSenseIsRefused(t *testing.T) {
	for _, c := range [][2]float64{{3, 3.5}, {6, 3}, {-60, 3}, {3, 95}} {
		_, err := heating.New(heating.Config{
			On:  physic.ZeroCelsius + physic.Temperature(c[0]*float64(physic.Celsius)),
			Off: physic.ZeroCelsius + physic.Temperature(c[1]*float64(physic.Celsius)),
		})
		if err == nil {
			t.Errorf("%v was accepted", c)
		}
	}
}
