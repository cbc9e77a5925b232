package kiosk_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// album keeps pictures of the screens in the folder that NACHTFACH_SHOTS names,
// one by one and on contact sheets; without the name it keeps none.
type album struct {
	testing.TB
	dir, name     string
	width, height int64
	shots         []shot
}

type shot struct {
	name string
	png  []byte
}

func newAlbum(t testing.TB, name string, size [2]int64) *album {
	t.Helper()
	a := &album{TB: t, dir: os.Getenv("NACHTFACH_SHOTS"), name: name, width: size[0], height: size[1]}
	if a.dir != "" {
		a.must(os.MkdirAll(a.dir, 0o755))
	}
	return a
}

func (a *album) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a *album) take(ctx context.Context, name string) {
	a.Helper()
	if a.dir == "" {
		return
	}
	var png []byte
	do(a, ctx, chromedp.CaptureScreenshot(&png))
	a.must(os.WriteFile(filepath.Join(a.dir, a.name+"-"+name+".png"), png, 0o644))
	a.shots = append(a.shots, shot{name, png})
}

// Sheets have eight tall or six wide pictures each, and are 1600 pixels wide.
const sheetWidth = 1600

// close lays the pictures out on sheets; the browser does the drawing.
func (a *album) close() {
	a.Helper()
	if a.dir == "" {
		return
	}
	columns, rows := int64(2), int64(3)
	if a.height > a.width {
		columns, rows = 4, 2
	}
	width := sheetWidth/columns - 16
	height := width * a.height / a.width
	ctx := browser(a, sheetWidth, rows*(height+40))
	for page := 0; len(a.shots) > 0; page++ {
		n := min(int(columns*rows), len(a.shots))
		var html strings.Builder
		fmt.Fprintf(&html, `<body style="margin:0;display:grid;grid-template-columns:repeat(%d,1fr);gap:8px;padding:0 8px;background:#777;font:15px sans-serif;color:#fff">`, columns)
		for _, s := range a.shots[:n] {
			fmt.Fprintf(&html, `<figure style="margin:0"><figcaption>%s %s</figcaption><img width="%d" height="%d" src="data:image/png;base64,%s"></figure>`,
				a.name, s.name, width, height, base64.StdEncoding.EncodeToString(s.png))
		}
		var png []byte
		do(a, ctx, chromedp.Navigate("about:blank"),
			chromedp.Evaluate(`new Promise(done => { document.body.outerHTML = `+"`"+html.String()+"`"+`; Promise.all([...document.images].map(i => i.decode())).then(() => done(true)); })`, nil, awaited),
			chromedp.CaptureScreenshot(&png))
		a.must(os.WriteFile(filepath.Join(a.dir, fmt.Sprintf("sheet-%s-%02d.png", a.name, page+1)), png, 0o644))
		a.shots = a.shots[n:]
	}
}
