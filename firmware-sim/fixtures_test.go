package firmwaresim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/modbus"
)

func TestSensorsLightsAndHeaterHangOnTheLastBoard(t *testing.T) {
	s := newSimulator(t, 6)
	line := street(t, s)
	for i, sensor := range firmwaresim.CabinetSensors() {
		in, err := line.Contact(modbus.ContactConfig{Board: s.Boards.SensorBoard(), Input: uint16(i)})
		if err != nil {
			t.Fatal(err)
		}
		changes := watch(t, in)
		expect(t, changes, false)
		if err := s.Wall.Trip(sensor, true); err != nil {
			t.Fatal(err)
		}
		expect(t, changes, true)
	}
	unit, coil := s.Boards.LightAddress(6)
	light, err := line.Output(unit, coil)
	if err != nil {
		t.Fatal(err)
	}
	heater, err := line.Output(s.Boards.SensorBoard(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if err := light.Switch(on); err != nil {
			t.Fatal(err)
		}
		if err := heater.Switch(on); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Wall.Door(6); err != nil || d.Light != on || d.Coil || s.Wall.Heater() != on {
			t.Errorf("%v: door %+v, heater %v, %v", on, d, s.Wall.Heater(), err)
		}
	}
}

func TestSensorsLightsAndHeaterHaveLines(t *testing.T) {
	s := newSimulator(t, 2)
	in, err := gpio.OpenContact(gpio.ContactConfig{Line: firmwaresim.SensorLine(t.Name(), firmwaresim.Mains)})
	if err != nil {
		t.Fatal(err)
	}
	changes := watch(t, in)
	expect(t, changes, false)
	if err := s.Wall.Trip(firmwaresim.Mains, true); err != nil {
		t.Fatal(err)
	}
	expect(t, changes, true)
	for _, name := range []string{firmwaresim.LightLine(t.Name(), 2), firmwaresim.HeaterLine(t.Name())} {
		out, err := gpio.OpenOutput(gpio.OutputConfig{Line: name})
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Switch(true); err != nil {
			t.Fatal(err)
		}
	}
	if d, _ := s.Wall.Door(2); !d.Light || d.Coil || !s.Wall.Heater() {
		t.Errorf("door %+v, heater %v", d, s.Wall.Heater())
	}
}

func TestAPersonTripsASensor(t *testing.T) {
	s := newSimulator(t, 1)
	post := func(path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1234"
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w
	}
	if w := post("/api/sensors/tamper", `{"tripped": true}`); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"tamper":true`) || !s.Wall.Tripped(firmwaresim.Tamper) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post("/api/sensors/moon", `{"tripped": true}`); w.Code != http.StatusNotFound {
		t.Errorf("an unknown one: %d", w.Code)
	}
	if w := post("/api/sensors/tamper", `{}`); w.Code != http.StatusBadRequest {
		t.Errorf("neither: %d", w.Code)
	}
}
