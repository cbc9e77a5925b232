package firmwaresim_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/zfm"
)

// control is a simulator's control plane and a person who uses it.
type control struct {
	*firmwaresim.Simulator
	t   *testing.T
	url string
}

func newControl(t *testing.T) *control {
	t.Helper()
	s := newSimulator(t, 4)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return &control{s, t, server.URL}
}

// post returns the status and the body of an answer.
func (c *control) post(path, contentType, body string) (int, string) {
	c.t.Helper()
	answer, err := http.Post(c.url+path, contentType, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func (c *control) ok(path, body string) {
	c.t.Helper()
	if status, text := c.post(path, "application/json", body); status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", path, body, status, text)
	}
}

func (c *control) state() (state firmwaresim.State) {
	c.t.Helper()
	answer, err := http.Get(c.url + "/api/state")
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&state); err != nil {
		c.t.Fatal(err)
	}
	return state
}

func TestAPersonUsesTheWallOverHTTP(t *testing.T) {
	c := newControl(t)
	c.ok("/api/doors/3", `{"do":"force"}`)
	c.ok("/api/doors/3", `{"do":"lay"}`)
	c.ok("/api/finger", `{"finger":"anna","impression":2}`)
	s := c.state()
	if d := s.Doors[2]; !d.Open || !d.Document || s.Doors[1].Open {
		t.Errorf("doors: %+v", s.Doors)
	}
	if s.Reader.Finger != "anna/2" || !s.Reader.Plugged || s.Terminal != t.Name() || len(s.Doors) != 4 {
		t.Errorf("state: %+v", s)
	}
	c.ok("/api/finger", `{"lift":true}`)
	if f := c.state().Reader.Finger; f != "" {
		t.Errorf("after lifting: %q", f)
	}
	c.ok("/api/scan", `{"source":"badge","text":"clerk 7"}`)
	c.ok("/api/unplug", `{}`)
	if c.state().Reader.Plugged {
		t.Error("the reader is still plugged in")
	}
	c.ok("/api/plug", `{}`)
	if !c.state().Reader.Plugged {
		t.Error("the reader is not plugged in again")
	}
}

func TestTheDeskGetsAPictureOfAFinger(t *testing.T) {
	c := newControl(t)
	for path, want := range map[string]int{
		"anna/2": http.StatusOK, "anna/x": http.StatusBadRequest, "anna/-1": http.StatusBadRequest,
	} {
		answer, err := http.Get(c.url + "/api/finger/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s", path, answer.Status)
		}
		if want != http.StatusOK {
			continue
		}
		size, err := png.DecodeConfig(answer.Body)
		if err != nil || size.Width != zfm.Width || size.Height != zfm.Height {
			t.Errorf("%s: %+v, %v", path, size, err)
		}
	}
}

func TestAFingerLaidForATimeGoesAway(t *testing.T) {
	c := newControl(t)
	c.ok("/api/finger", `{"finger":"anna","for":"50ms"}`)
	for limit := time.Now().Add(10 * time.Second); c.state().Reader.Finger != ""; {
		if time.Now().After(limit) {
			t.Fatal("the finger is still there")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func pngOf(t *testing.T, size image.Point) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rectangle{Max: size})); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestImagesOfAnySizeAreSeenInTheMiddle(t *testing.T) {
	c := newControl(t)
	r := newReader(t, c.Simulator)
	for _, size := range []image.Point{{1, 1}, {100, 400}, {388, 374}, {256, 288}} {
		if status, text := c.post("/api/finger", "image/png", pngOf(t, size)); status != http.StatusOK {
			t.Fatalf("%v: %d %s", size, status, text)
		}
		img, err := r.Capture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		black := 0
		for _, v := range img.Pix {
			if v == 0 {
				black++
			}
		}
		if want := min(size.X, 256) * min(size.Y, 288); black != want || img.GrayAt(127, 143).Y != 0 {
			t.Errorf("%v: %d black pixels instead of %d", size, black, want)
		}
	}
}

func TestBadRequestsGetClearErrors(t *testing.T) {
	c := newControl(t)
	if err := c.Unplug(firmwaresim.Barcode); err != nil {
		t.Fatal(err)
	}
	huge := pngOf(t, image.Pt(5000, 5000))
	for _, bad := range []struct {
		path, kind, body string
		status           int
		want             string
	}{
		{"/api/doors/0", "application/json", `{"do":"open"}`, 404, "no such compartment"},
		{"/api/doors/5", "application/json", `{"do":"open"}`, 404, "there are 1 to 4"},
		{"/api/doors/x", "application/json", `{"do":"open"}`, 400, "no compartment's number"},
		{"/api/doors/1", "application/json", `{"do":"open"}`, 409, "it is locked"},
		{"/api/doors/1", "application/json", `{"do":"take"}`, 409, "it is closed"},
		{"/api/doors/1", "application/json", `{"do":"explode"}`, 400, "unknown deed"},
		{"/api/doors/1", "application/json", `{"do":"open","why":"fun"}`, 400, "unknown field"},
		{"/api/doors/1", "application/json", `{"do":"open"}{}`, 400, "more than one"},
		{"/api/doors/1", "application/json", ``, 400, "not what this path takes"},
		{"/api/doors/1", "text/plain", `{"do":"force"}`, 415, "application/json"},
		{"/api/doors/1", "application/json", `{"do":"` + strings.Repeat("x", 20000) + `"}`, 413, "more than"},
		{"/api/finger", "application/json", `{}`, 400, "a name"},
		{"/api/finger", "application/json", `{"finger":"anna","impression":-1}`, 400, "impressions"},
		{"/api/finger", "application/json", `{"finger":"anna","for":"never"}`, 400, "not a time"},
		{"/api/finger", "application/json", `{"finger":"anna","for":"9999h"}`, 400, "not a time"},
		{"/api/finger", "application/json", `{"finger":"anna","lift":true}`, 400, "not both"},
		{"/api/finger", "image/png", `no image`, 400, "no PNG"},
		{"/api/finger", "image/png", pngOf(t, image.Pt(300, 300))[:100], 400, "damaged"},
		{"/api/finger", "image/png", huge, 400, "too large"},
		{"/api/finger", "image/png", strings.Repeat("x", 9<<20), 413, "too large"},
		{"/api/scan", "application/json", `{"source":"door","text":"x"}`, 404, "unknown source"},
		{"/api/scan", "application/json", `{"source":"badge","text":""}`, 400, "1 to 1024"},
		{"/api/scan", "application/json", `{"source":"barcode","text":"x"}`, 409, "unplugged"},
		{"/api/unplug", "application/json", `{"after_packets":-1}`, 400, "negative"},
		{"/api/unplug", "application/json", `{"device":"badge","after_packets":1}`, 400, "for the reader"},
		{"/api/unplug", "application/json", `{"device":"door"}`, 404, "unknown device"},
		{"/api/plug", "application/json", `{"device":""}`, 404, "unknown device"},
		{"/api/plug", "application/json", `[]`, 400, "not what this path takes"},
	} {
		status, text := c.post(bad.path, bad.kind, bad.body)
		if status != bad.status || !strings.Contains(text, bad.want) {
			t.Errorf("%s %.60s: %d %s, want %d %s", bad.path, bad.body, status, text, bad.status, bad.want)
		}
	}
	for n, d := range c.state().Doors {
		if d.Open {
			t.Errorf("door %d was opened by a bad request", n+1)
		}
	}
}

func TestOnlyThisMachineIsAnswered(t *testing.T) {
	s := newSimulator(t, 1)
	for remote, host := range map[string]string{
		"192.0.2.1:999":  "127.0.0.1:80",
		"127.0.0.1:999":  "evil.example",
		"127.0.0.1:1000": "192.0.2.1:80",
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/state", nil)
		r.RemoteAddr, r.Host = remote, host
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("from %s to %s: %d", remote, host, w.Code)
		}
	}
}

func TestTheControlPlaneCannotDriveALock(t *testing.T) {
	c := newControl(t)
	for _, deed := range []string{"pulse", "unlock", "coil", "on"} {
		if status, _ := c.post("/api/doors/1", "application/json", `{"do":"`+deed+`"}`); status != http.StatusBadRequest {
			t.Errorf("%s: %d", deed, status)
		}
	}
	if d := c.state().Doors[0]; d.Pulses > 0 || d.Open {
		t.Errorf("door: %+v", d)
	}
}
