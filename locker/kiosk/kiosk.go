// Package kiosk serves the touch screen of one terminal to the browser that
// runs on the same machine.
//
//	GET  /?token=TOKEN    the browser's first address: sets the cookie, goes on to the page
//	GET  /                the screen as a page
//	GET  /stream          each new screen as it comes, as server-sent events
//	POST /press           a form: screen=17, and choice=yes or text=123456789012; the screen after it
//	GET  /language/en     the page in another language
//	GET  /alive           204: a page that lost its stream asks this until it may come back
//	POST /beat            204: the page's script runs; every 4 s
//	GET  /shown           204: a page is shown; 503: none is; 202: not known yet
//	GET  /static/…        style, fonts and scripts, embedded
//	GET  /screen          what is shown, as JSON; ?after=NUMBER waits for something newer
//	POST /input           {"screen":17,"choice":"yes"} or {"screen":17,"text":"1234 5678 9012"},
//	                      or {"screen":17,"assertion":{…}}: what a security key answered
//
// The pages decide nothing: each shows a [locker.Screen] in words and pictures,
// in German or English, for fingers and for a keypad that types digits, Enter
// and Escape alike. An input names the screen that it was made on. For any other it is answered
// with 409 and the present screen: a double press, a second tab, the browser's
// back button and a page from before a restart change nothing.
//
// The package listens on loopback only and answers nobody without the token of
// this boot, which lies in a file of mode 0600, nor under a foreign Host or
// Origin. Where clerks have security keys, the same pages are there over TLS 1.3
// as well, on loopback too, under the one name of [Config.SecureName]. It has no way in for scanners and badge readers: their lines come
// from their drivers. It decides nothing and keeps nothing of what is typed.
package kiosk

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/connlimit"
)

// Terminal is what the kiosk shows and serves; the controller implements it.
type Terminal interface {
	// Screen is what is shown now, and a channel that closes when that
	// changes; a nil channel never does.
	Screen() (locker.Screen, <-chan struct{})
	// Submit hands an input to the terminal and returns the screen after it.
	Submit(ctx context.Context, in locker.Input) (locker.Screen, error)
}

// Config says what a kiosk serves, and where. All but Terminal, Addr, TokenFile, Rand and Uptime may be left out.
type Config struct {
	Terminal    Terminal
	Addr        string               // that the browser reaches it under, HOST:PORT on loopback
	TokenFile   string               // written by New with mode 0600: one line, the token
	Boot        string               // identifies this start of the machine; a token of the same boot stays valid. Empty: every New draws a new one
	Rand        io.Reader            // 32 bytes for the token
	Uptime      func() time.Duration // the clock of [locker.Screen.Until]
	Logger      *slog.Logger         // told of refused requests, never of what was typed; nil: nobody is
	Declaration Declaration          // what recipients confirm before handover; zero: the built-in text
	Place       string               // where the terminal stands, for the head of each page
	Desk        Desk                 // where a person helps
	Zone        locker.Zone          // of times on the pages

	// SecureName is NAME or NAME:PORT, as a browser writes it, under which the
	// pages are reached over TLS; see [ListenTLS]. Empty: they are not.
	SecureName string

	// FrameAncestors are origins on loopback whose pages may show the kiosk in
	// a frame. A terminal has none; a demonstration has its start page.
	FrameAncestors []string
}

const (
	maxBody           = 4 << 10 // of an input
	maxHeader         = 8 << 10
	maxConnections    = 64               // that brought the token
	maxNewConnections = 32               // that did not yet; the oldest is closed for the next
	maxWaiting        = 16               // requests that wait for a newer screen
	longestWait       = 25 * time.Second // for a newer screen
	longestSubmit     = 5 * time.Second  // for the terminal's answer
)

// ErrNotLoopback refuses to be reached from elsewhere.
var ErrNotLoopback = errors.New("wants a loopback address such as 127.0.0.1:8480")

// Server answers the kiosk's browser.
type Server struct {
	config  Config
	guard   guard
	handler http.Handler
	waiting chan struct{} // one place for each request that waits
	inputs  chan struct{} // held while an input is checked and submitted
	streams chan struct{} // one place for each page that is kept up to date
	shown   shown
	assets  assets
	markup  *template.Template
}

// New makes the server and the token of this boot.
func New(c Config) (*Server, error) {
	if c.Terminal == nil || c.Uptime == nil || c.Rand == nil {
		return nil, errors.New("kiosk: wants a terminal, a clock and randomness")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	hosts, err := hostsOf(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("kiosk: %w", err)
	}
	if err := checkAncestors(c.FrameAncestors); err != nil {
		return nil, fmt.Errorf("kiosk: %w", err)
	}
	if c.SecureName != "" && !hostName.MatchString(c.SecureName) {
		return nil, errSecureName
	}
	token, err := bootToken(c.TokenFile, c.Boot, c.Rand)
	if err != nil {
		return nil, fmt.Errorf("kiosk: %w", err)
	}
	s := &Server{
		config: c, guard: guard{hosts: hosts, secureName: c.SecureName, ancestors: c.FrameAncestors, token: token, logger: c.Logger},
		waiting: make(chan struct{}, maxWaiting), inputs: make(chan struct{}, 1),
		streams: make(chan struct{}, maxStreams),
		shown:   shown{uptime: c.Uptime, start: c.Uptime()},
	}
	if s.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("kiosk: load the embedded files: %w", err)
	}
	if s.markup, err = loadTemplates(); err != nil {
		return nil, fmt.Errorf("kiosk: load the templates: %w", err)
	}
	s.handler = s.guard.wrap(s.routes())
	return s, nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.getPage)
	mux.HandleFunc("GET /stream", s.getStream)
	mux.HandleFunc("POST /press", s.postPress)
	mux.HandleFunc("GET /language/{language}", s.getLanguage)
	mux.HandleFunc("GET /alive", s.getAlive)
	mux.HandleFunc("POST /beat", s.postBeat)
	mux.HandleFunc("GET /shown", s.getShown)
	mux.HandleFunc("GET /static/{version}/{file...}", s.getAsset)
	mux.HandleFunc("GET /screen", s.getScreen)
	mux.HandleFunc("POST /input", s.postInput)
	return mux
}

// front is where a browser that brought its token goes on.
const front = "/"

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Listen listens on a loopback address; port 0 takes a free one. Any other
// address, and a name other than localhost, is [ErrNotLoopback].
func Listen(addr string) (net.Listener, error) {
	if _, err := hostsOf(addr); err != nil {
		return nil, fmt.Errorf("kiosk: listen on %q: %w", addr, err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("kiosk: listen on %q: %w", addr, err)
	}
	// A name goes through the machine's resolver, which may say anything.
	if err := onLoopback(l.Addr()); err != nil {
		return nil, errors.Join(fmt.Errorf("kiosk: listen on %q: %w", addr, err), l.Close())
	}
	return l, nil
}

func onLoopback(a net.Addr) error {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil || !ap.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s: %w", a, ErrNotLoopback)
	}
	return nil
}

// Serve answers on l until ctx ends, and then returns nil; requests that wait
// are answered first. It closes l, and refuses one that is not on loopback.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := onLoopback(l.Addr()); err != nil {
		return errors.Join(fmt.Errorf("kiosk: serve on %w", err), l.Close())
	}
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      longestWait + longestSubmit,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return withConn(connlimit.ConnContext(ctx, c), c)
		},
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err := server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // a browser that stopped reading holds up nothing
		}
		stopped <- err
	})
	err := server.Serve(limit(l))
	if stop() { // it ended by itself
		return errors.Join(fmt.Errorf("kiosk: serve: %w", err), server.Close())
	}
	return <-stopped
}
