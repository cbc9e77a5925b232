package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// listen serves the desks on the Unix socket.
func (c *City) listen(ctx context.Context) error {
	listener, err := listenUnix(c.config.Socket)
	if err != nil {
		return fmt.Errorf("open the desks' socket %s: %w", c.config.Socket, err)
	}
	server := &http.Server{
		Handler:           c.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute,
	}
	stop := context.AfterFunc(ctx, func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = server.Shutdown(bye)
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the desks: %w", err)
	}
	return nil
}

// maxSocket leaves room for the folder in which a socket is made: the system
// takes 107 bytes (unix(7)).
const maxSocket = 107 - 20

// listenUnix makes the socket with mode 0600. A socket that nobody listens on
// is left over from a crash and is replaced.
func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocket {
		return nil, fmt.Errorf("the path has %d bytes, wants at most %d", len(path), maxSocket)
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, errors.New("another process listens there")
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	// The mode must be right from the first moment, so it is made under another
	// name in a folder of our own and then moved.
	folder, err := os.MkdirTemp(filepath.Dir(path), ".city-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	made := folder + "/s"
	listener, err := net.Listen("unix", made)
	if err != nil {
		return nil, err
	}
	unix, ok := listener.(*net.UnixListener)
	if !ok {
		return nil, errors.New("no Unix socket")
	}
	unix.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		listener.Close()
		return nil, err
	}
	return &movedSocket{unix, path}, nil
}

// movedSocket removes the socket at its final place.
type movedSocket struct {
	*net.UnixListener
	path string
}

func (m *movedSocket) Close() error {
	return errors.Join(m.UnixListener.Close(), os.Remove(m.path))
}

// Handler is the desks' interface over HTTP; api.Client is its other side.
func (c *City) Handler() http.Handler {
	mux := http.NewServeMux()
	get := func(pattern string, f func(*http.Request) (any, error)) {
		mux.HandleFunc("GET "+pattern, c.answer(f))
	}
	post := func(pattern string, f func(*http.Request, []byte) (any, error)) {
		mux.HandleFunc("POST "+pattern, c.answer(func(r *http.Request) (any, error) {
			body, err := io.ReadAll(io.LimitReader(r.Body, envelope.MaxMessage+1))
			if err != nil {
				return nil, wrong("read the request: %w", err)
			}
			if len(body) > envelope.MaxMessage {
				return nil, wrong("read the request: more than %d bytes", envelope.MaxMessage)
			}
			return f(r, body)
		}))
	}
	get("/identity", func(r *http.Request) (any, error) { return c.Identity(r.Context()) })
	get("/alarms", func(r *http.Request) (any, error) { return c.Troubles(r.Context()) })
	get("/terminals", func(r *http.Request) (any, error) { return c.Terminals(r.Context()) })
	post("/terminals", func(r *http.Request, body []byte) (any, error) {
		var t api.Terminal
		if err := json.Unmarshal(body, &t); err != nil {
			return nil, wrong("read the request: %w", err)
		}
		return nil, c.AddTerminal(r.Context(), t.ID, t.Verifier)
	})
	get("/terminals/{terminal}/events", c.serveEvents)
	get("/terminals/{terminal}/tree", func(r *http.Request) (any, error) { return c.Verify(r.Context(), r.PathValue("terminal")) })
	get("/terminals/{terminal}/deposits", func(r *http.Request) (any, error) { return c.Deposits(r.Context(), r.PathValue("terminal")) })
	get("/terminals/{terminal}/roster", func(r *http.Request) (any, error) { return c.Roster(r.Context(), r.PathValue("terminal")) })
	get("/terminals/{terminal}/orders", func(r *http.Request) (any, error) { return c.Orders(r.Context(), r.PathValue("terminal")) })
	post("/terminals/{terminal}/lease", func(r *http.Request, _ []byte) (any, error) {
		return c.LeaseKey(r.Context(), r.PathValue("terminal"))
	})
	post("/terminals/{terminal}/commands/draft", func(r *http.Request, body []byte) (any, error) {
		var what locker.Command
		if err := json.Unmarshal(body, &what); err != nil {
			return nil, wrong("read the request: %w", err)
		}
		return c.DraftCommand(r.Context(), r.PathValue("terminal"), what)
	})
	post("/terminals/{terminal}/commands", func(r *http.Request, body []byte) (any, error) {
		return nil, c.Command(r.Context(), r.PathValue("terminal"), body)
	})
	post("/terminals/{terminal}/retire", func(r *http.Request, _ []byte) (any, error) {
		return c.Retire(r.Context(), r.PathValue("terminal"))
	})
	get("/terminals/{terminal}/adoption", func(r *http.Request) (any, error) { return c.Adoption(r.Context(), r.PathValue("terminal")) })
	get("/terminals/{terminal}/burglary", func(r *http.Request) (any, error) { return c.Burglary(r.Context(), r.PathValue("terminal")) })
	post("/terminals/{terminal}/recovered", func(r *http.Request, _ []byte) (any, error) {
		return nil, c.Recovered(r.Context(), r.PathValue("terminal"))
	})
	post("/orders", func(r *http.Request, body []byte) (any, error) { return c.SubmitOrder(r.Context(), body) })
	get("/orders/{order}", func(r *http.Request) (any, error) { return c.Order(r.Context(), orderOf(r)) })
	post("/orders/{order}/arrived", func(r *http.Request, _ []byte) (any, error) { return c.Arrived(r.Context(), orderOf(r)) })
	post("/orders/{order}/withdraw", func(r *http.Request, body []byte) (any, error) { return c.Withdraw(r.Context(), orderOf(r), body) })
	post("/orders/{order}/reissue/draft", func(r *http.Request, _ []byte) (any, error) { return c.DraftReissue(r.Context(), orderOf(r)) })
	post("/orders/{order}/reissue", func(r *http.Request, body []byte) (any, error) {
		return nil, c.Reissue(r.Context(), orderOf(r), body)
	})
	mux.HandleFunc("POST /orders/{order}/letter", c.serveLetter)
	post("/rosters", func(r *http.Request, body []byte) (any, error) { return nil, c.SubmitRoster(r.Context(), body) })
	return mux
}

func orderOf(r *http.Request) locker.OrderID { return locker.OrderID(r.PathValue("order")) }

func (c *City) serveEvents(r *http.Request) (any, error) {
	from, limit := uint64(0), 1000
	var err error
	if s := r.FormValue("from"); s != "" {
		if from, err = strconv.ParseUint(s, 10, 62); err != nil {
			return nil, wrong("from %q: wants a number", s)
		}
	}
	if s := r.FormValue("max"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return nil, wrong("max %q: wants a number from 1", s)
		}
	}
	return c.Events(r.Context(), r.PathValue("terminal"), from, limit)
}

// answer writes what f gives as JSON, and its error with the status it deserves.
func (c *City) answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		v, err := f(r)
		if err != nil {
			if c.noRoom(err) {
				err = fmt.Errorf("%s: %w", c.room(), err)
			}
			w.WriteHeader(statusOf(err))
			v = api.Failure{Error: err.Error()}
		}
		_ = json.NewEncoder(w).Encode(v) // the caller is gone; there is nobody to tell
	}
}

func statusOf(err error) int {
	var input inputError
	switch {
	case errors.Is(err, record.ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, record.ErrConflict):
		return http.StatusConflict
	case errors.As(err, &input):
		return http.StatusBadRequest
	case record.Full(err):
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}
