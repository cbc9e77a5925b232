// Package console shows the admins what the city's record says: terminals with
// their health, one terminal as its wall, deposits, alarms and events, in a
// browser, live.
//
// It opens no door and sends nothing to a terminal. The one thing that it writes
// is a note about an alarm. It shows no name and no code, because the record
// holds none.
//
// It listens on loopback and wants a token, so that neither another page nor
// another user of the machine reads it. Who looks from elsewhere comes through
// SSH, or through a proxy that knows its people and whose name is in Hosts.
package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker/connlimit"
)

// City is what the console asks; *city.City is one.
type City interface {
	Terminals(ctx context.Context) ([]api.Terminal, error)
	Terminal(ctx context.Context, id string) (api.Terminal, error)
	Deposits(ctx context.Context, terminal string) ([]api.Deposit, error)
	Troubles(ctx context.Context) ([]api.Trouble, error)
	Note(ctx context.Context, terminal, id, by, note string) error
	Events(ctx context.Context, terminal string, from uint64, limit int) ([]api.Event, error)
	Search(ctx context.Context, terminal, text string, before uint64, limit int) ([]api.Event, error)
	Line() api.Line
	Lag(ctx context.Context, terminal string) (api.Lag, error)
	Changed() <-chan struct{}
}

// Config is what a console needs; all of it but Hosts is required.
type Config struct {
	City    City
	Unknown error    // what City answers about what it does not know
	Addr    string   // on loopback, "127.0.0.1:8481"
	Hosts   []string // other names under which a proxy serves it over HTTPS
	Token   string   // 16 bytes or more; the front page takes it as ?token=
	Zone    *time.Location
	Now     func() time.Time
	Logger  *slog.Logger
}

// Console serves the pages.
type Console struct {
	config   Config
	pages    map[string]*template.Template
	listener net.Listener
	guard    guard
	live     chan struct{} // a place for each listener of changes
}

// maxLive bounds the open pages that listen for changes.
const maxLive = 64

//go:embed templates static
var files embed.FS

// Listen opens the address; Serve serves it.
func Listen(config Config) (*Console, error) {
	if config.City == nil || config.Unknown == nil || config.Now == nil || config.Zone == nil || config.Logger == nil {
		return nil, errors.New("console: city, unknown, zone, now and logger are required")
	}
	if len(config.Token) < 16 {
		return nil, errors.New("console: wants a token of 16 bytes or more")
	}
	if err := loopback(config.Addr); err != nil {
		return nil, fmt.Errorf("console: address %q: %w", config.Addr, err)
	}
	c := &Console{config: config, pages: map[string]*template.Template{}, live: make(chan struct{}, maxLive)}
	for _, name := range []string{"terminals", "terminal", "events", "alarms", "wrong"} {
		page, err := template.New("layout.html").Funcs(templateWords).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("console: page %s: %w", name, err)
		}
		c.pages[name] = page
	}
	var err error
	if c.listener, err = net.Listen("tcp", config.Addr); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c.guard = newGuard(c.listener.Addr().String(), config)
	return c, nil
}

// URL is the front page with its token.
func (c *Console) URL() string {
	return "http://" + c.listener.Addr().String() + "/?token=" + c.config.Token
}

// Serve serves until ctx ends, and returns its error, or the one that makes it
// impossible to go on.
func (c *Console) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: c.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }, // so that live pages end with it
		ConnContext: connlimit.ConnContext,
	}
	stop := context.AfterFunc(ctx, func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = server.Shutdown(bye)
	})
	defer stop()
	if err := server.Serve(connlimit.New(c.listener, maxNewConnections, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("console: %w", err)
	}
	return ctx.Err()
}

// Close closes the address of a console that is not served.
func (c *Console) Close() error { return c.listener.Close() }

// Handler is the whole console behind its guard.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.FileServerFS(files))
	mux.HandleFunc("GET /{$}", c.page("terminals", c.terminals))
	mux.HandleFunc("GET /terminals/{terminal}", c.page("terminal", c.terminal))
	mux.HandleFunc("GET /terminals/{terminal}/events", c.page("events", c.events))
	mux.HandleFunc("GET /alarms", c.page("alarms", c.alarms))
	mux.HandleFunc("POST /alarms/note", c.note)
	mux.HandleFunc("POST /language", c.speak)
	mux.HandleFunc("GET /live", c.listen)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.wrong(w, r, http.StatusNotFound, errNoPage)
	})
	return c.guard.wrap(mux)
}
