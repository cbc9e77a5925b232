package kiosk_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestShots takes a picture of every screen in both languages and sizes into
// the folder that NACHTFACH_SHOTS names:
//
//	NACHTFACH_SHOTS=/tmp/shots go test ./locker/kiosk -run TestShots
func TestShots(t *testing.T) {
	dir := os.Getenv("NACHTFACH_SHOTS")
	if dir == "" {
		t.Skip("NACHTFACH_SHOTS names no folder")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for size, wh := range sizes {
		t.Run(size, func(t *testing.T) {
			ctx := browser(t, wh[0], wh[1])
			term := newStage()
			do(t, ctx, chromedp.Navigate(serve(t, term)))
			for _, lang := range []string{"de", "en"} {
				for _, sc := range scenes() {
					term.set(sc.screen)
					var png []byte
					do(t, ctx, chromedp.Navigate(origin(t, ctx)+"/language/"+lang), ready(string(sc.screen.Name)), chromedp.CaptureScreenshot(&png))
					if err := os.WriteFile(filepath.Join(dir, size+"-"+lang+"-"+sc.name+".png"), png, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}
