package kiosk

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var static embed.FS

//go:embed templates/*.html
var markup embed.FS

// asset is one embedded file, as it is sent.
type asset struct {
	kind   string
	body   []byte
	packed []byte // gzip; nil where that saves nothing
}

// assets are the embedded files under a prefix that names their content, so
// that a browser may keep them for good.
type assets struct {
	prefix string
	files  map[string]asset
}

func loadAssets() (assets, error) {
	a := assets{files: map[string]asset{}}
	sum := sha256.New()
	err := fs.WalkDir(static, "static", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(body), body)
		f := asset{kind: kindOf(name), body: body}
		if packed, err := pack(body); err != nil {
			return err
		} else if len(packed) < len(body)*9/10 {
			f.packed = packed
		}
		a.files[strings.TrimPrefix(name, "static/")] = f
		return nil
	})
	a.prefix = "/static/" + hex.EncodeToString(sum.Sum(nil)[:8]) + "/"
	return a, err
}

// kindOf does not trust the machine's table of file types.
func kindOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".woff2":
		return "font/woff2"
	case ".md", ".txt":
		return "text/plain; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	default:
		return mime.TypeByExtension(ext)
	}
}

func pack(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (s *Server) getAsset(w http.ResponseWriter, r *http.Request) {
	f, ok := s.assets.files[r.PathValue("file")]
	if !ok || !strings.HasPrefix(r.URL.Path, s.assets.prefix) {
		refuse(w, http.StatusNotFound, "no such file")
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.body
	if f.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	_, _ = w.Write(body) // a browser that went away asks again
}

func loadTemplates() (*template.Template, error) {
	return template.New("kiosk").Option("missingkey=error").ParseFS(markup, "templates/*.html")
}
