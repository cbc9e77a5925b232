package kiosk_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// album keeps pictures of the screens in the folder that NACHTFACH_SHOTS names;
// without the name it keeps none.
type album struct {
	testing.TB
	dir, name string
}

func newAlbum(t testing.TB, name string) *album {
	t.Helper()
	a := &album{TB: t, dir: os.Getenv("NACHTFACH_SHOTS"), name: name}
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
}
