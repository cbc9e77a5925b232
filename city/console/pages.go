package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// What admins are told; each is a key of words.
var (
	errNoPage = errors.New("wrong.page")
	errNote   = errors.New("wrong.note")
	errBusy   = errors.New("wrong.busy")
	errRecord = errors.New("wrong.record")
)

// terminal is one as its card and its page show it.
type terminal struct {
	api.Terminal
	Status locker.Status // as it last showed itself; zero if it never did
	Known  bool          // there is a status
	Lag    api.Lag
	Cut    bool // the city itself is cut off: what is known of the terminal is old
	Wake   int  // alarms that stand, by class
	Other  int
	Uses   map[string]int // compartments by use; "open" and "fault" too
}

// Behind is how many events the terminal has told of and not yet delivered.
func (t terminal) Behind() uint64 {
	if t.Status.Recorded < t.Size {
		return 0
	}
	return t.Status.Recorded - t.Size
}

// Health is "bad" for what cannot wait, "poor" for what wants a look, or "good".
func (t terminal) Health() string {
	switch {
	case t.Cut, !t.Online && !t.Since.IsZero(), t.Wake > 0, t.Status.Fault != "", !t.Stolen.IsZero():
		return "bad" // one that was never there is still being built
	case !t.Online, !t.Known, t.Other > 0, t.Status.Locked != "", t.Uses["fault"] > 0, t.Uses["doubt"] > 0, t.Status.Quality == locker.TimeHeld:
		return "poor"
	}
	return "good"
}

// trouble is an alarm with what its form needs.
type trouble struct {
	api.Trouble
	Back string // the page to come back to
}

// Done: over, and somebody has looked; what is only counted needs nobody.
func (t trouble) Done() bool {
	over := !t.Cleared.IsZero() || t.Counts()
	return over && (!t.Noted.IsZero() || t.Class == locker.Statistics)
}

// event is one line of the list.
type event struct {
	Sequence uint64
	Type     string
	Time     time.Time
	Data     []field
	Body     string
	Training bool // recorded while the terminal trained
}

type field struct{ Name, Value string }

func readEvent(e api.Event) event {
	v := event{Sequence: e.Sequence, Type: strings.TrimSuffix(strings.TrimPrefix(e.Type, "de.nachtfach."), ".v1"), Body: string(e.Body)}
	var body struct {
		Time     time.Time                  `json:"time"`
		Training bool                       `json:"training"`
		Data     map[string]json.RawMessage `json:"data"`
	}
	if json.Unmarshal(e.Body, &body) != nil {
		return v // it is shown as it came
	}
	v.Time, v.Training = body.Time, body.Training
	for name, raw := range body.Data {
		if says := strings.Trim(string(raw), `"`); says != "" {
			v.Data = append(v.Data, field{name, clip(says, 80)})
		}
	}
	slices.SortFunc(v.Data, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	var indented bytes.Buffer
	if json.Indent(&indented, e.Body, "", "  ") == nil {
		v.Body = indented.String()
	}
	return v
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Healths are the kinds of health of the terminals that there are, the worst first.
func (v *view) Healths() []string {
	none := func(h string) bool { return v.Counts[h] == 0 }
	return slices.DeleteFunc([]string{"bad", "poor", "good"}, none)
}

// view is what every page knows.
type view struct {
	*request
	Line      api.Line
	Page      string
	Terminals []terminal
	Counts    map[string]int // of them, by health
	Terminal  terminal
	Deposits  []api.Deposit
	Troubles  []trouble
	Past      []trouble
	More      int // alarms that stand beside those that are shown
	Waking    int // alarms that nobody has noted, at all terminals
	Events    []event
	Query     string
	Before    uint64 // of the next older events; 0: there are none
	Error     string
}

func (c *Console) describe(r *http.Request, t api.Terminal, troubles []api.Trouble) (terminal, error) {
	v := terminal{Terminal: t, Uses: map[string]int{}, Cut: !c.config.City.Line().Connected}
	v.Known = len(t.State) > 0 && json.Unmarshal(t.State, &v.Status) == nil
	if err := c.follow(r, &v); err != nil {
		return v, err
	}
	for _, s := range v.Status.Compartments {
		v.Uses[s.Use]++
		if s.Open {
			v.Uses["open"]++
		}
		if s.Fault != "" {
			v.Uses["fault"]++
		}
	}
	for _, a := range troubles {
		if a.Terminal != t.ID || !a.Cleared.IsZero() || a.Counts() && !a.Noted.IsZero() {
			continue
		}
		if a.Class == locker.Wake {
			v.Wake++
		} else {
			v.Other++
		}
	}
	var err error
	v.Lag, err = c.config.City.Lag(r.Context(), t.ID)
	return v, err
}

// sort fills the alarms of the view, of one terminal or of all.
func (v *view) sort(troubles []api.Trouble, only, back string) {
	rank := map[locker.AlarmClass]int{locker.Wake: 0, locker.Morning: 1, locker.Statistics: 2}
	for _, a := range troubles {
		t := trouble{a, back}
		if a.Noted.IsZero() && a.Class == locker.Wake {
			v.Waking++
		}
		switch {
		case only != "" && a.Terminal != only:
		case t.Done():
			v.Past = append(v.Past, t)
		default:
			v.Troubles = append(v.Troubles, t)
		}
	}
	slices.SortStableFunc(v.Troubles, func(a, b trouble) int {
		if d := rank[a.Class] - rank[b.Class]; d != 0 {
			return d
		}
		if a.Noted.IsZero() != b.Noted.IsZero() { // what nobody has seen yet first
			if a.Noted.IsZero() {
				return -1
			}
			return 1
		}
		return b.Since.Compare(a.Since)
	})
}

// clip shows so many alarms at most, and says how many more there are.
func (v *view) clip(most int) {
	if v.More = len(v.Troubles) - most; v.More > 0 {
		v.Troubles = v.Troubles[:most]
	}
}

func (c *Console) terminals(r *http.Request, v *view) error {
	all, err := c.config.City.Terminals(r.Context())
	if err != nil {
		return err
	}
	troubles, err := c.config.City.Troubles(r.Context())
	if err != nil {
		return err
	}
	v.sort(troubles, "", "/")
	v.clip(20)
	v.Counts = map[string]int{}
	for _, t := range all {
		d, err := c.describe(r, t, troubles)
		if err != nil {
			return err
		}
		v.Terminals = append(v.Terminals, d)
		v.Counts[d.Health()]++
	}
	rank := map[string]int{"bad": 0, "poor": 1, "good": 2}
	slices.SortStableFunc(v.Terminals, func(a, b terminal) int { return rank[a.Health()] - rank[b.Health()] })
	return nil
}

// ended are deposits whose document is not in the compartment under this code.
var ended = []api.DepositState{
	api.DepositReplaced, api.DepositAbandoned, api.DepositTaken, api.DepositUnloaded, api.DepositMissing, api.DepositDead,
}

const (
	recent   = 12 // events and ended deposits on a terminal's page
	pageSize = 100
)

func (c *Console) terminal(r *http.Request, v *view) error {
	if err := c.one(r, v); err != nil {
		return err
	}
	id := v.Terminal.ID
	deposits, err := c.config.City.Deposits(r.Context(), id)
	if err != nil {
		return err
	}
	past := 0
	for _, d := range deposits {
		if slices.Contains(ended, d.State) {
			if past++; past > recent {
				continue
			}
		}
		v.Deposits = append(v.Deposits, d)
	}
	slices.SortStableFunc(v.Deposits, func(a, b api.Deposit) int {
		x, y := 0, 0
		if slices.Contains(ended, a.State) {
			x = 1
		}
		if slices.Contains(ended, b.State) {
			y = 1
		}
		return x - y
	})
	return c.search(r, v, "", math.MaxInt64, recent)
}

// one fills the view with the terminal that the path names, and its alarms.
func (c *Console) one(r *http.Request, v *view) error {
	t, err := c.config.City.Terminal(r.Context(), r.PathValue("terminal"))
	if err != nil {
		return err
	}
	troubles, err := c.config.City.Troubles(r.Context())
	if err != nil {
		return err
	}
	v.sort(troubles, t.ID, "/terminals/"+t.ID)
	v.clip(20)
	v.Terminal, err = c.describe(r, t, troubles)
	return err
}

func (c *Console) events(r *http.Request, v *view) error {
	if err := c.one(r, v); err != nil {
		return err
	}
	before := uint64(math.MaxInt64)
	if s := r.FormValue("before"); s != "" {
		var err error
		if before, err = strconv.ParseUint(s, 10, 62); err != nil {
			return errNoPage
		}
	}
	v.Query = strings.ToValidUTF8(r.FormValue("q"), "")
	v.Query = strings.ToValidUTF8(v.Query[:min(len(v.Query), 100)], "")
	return c.search(r, v, v.Query, before, pageSize)
}

func (c *Console) search(r *http.Request, v *view, text string, before uint64, limit int) error {
	before = min(before, v.Terminal.Size)
	found, err := c.config.City.Search(r.Context(), v.Terminal.ID, text, before, limit)
	if err != nil {
		return err
	}
	for _, e := range found {
		v.Events = append(v.Events, readEvent(e))
	}
	const deep = 10_000 // events that one search reads
	switch {
	case len(found) == limit:
		v.Before = found[limit-1].Sequence
	case before > deep:
		v.Before = before - deep
	}
	return nil
}

func (c *Console) alarms(r *http.Request, v *view) error {
	troubles, err := c.config.City.Troubles(r.Context())
	if err != nil {
		return err
	}
	v.sort(troubles, "", "/alarms")
	v.clip(100)
	v.Past = v.Past[:min(len(v.Past), 100)]
	return nil
}

// note keeps what an admin writes about an alarm.
func (c *Console) note(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	if err := r.ParseForm(); err != nil {
		c.wrong(w, r, http.StatusBadRequest, errNote)
		return
	}
	by, text := strings.TrimSpace(r.PostFormValue("by")), strings.TrimSpace(r.PostFormValue("note"))
	if by == "" || len(by) > 60 || text == "" || len(text) > 1000 {
		c.wrong(w, r, http.StatusBadRequest, errNote)
		return
	}
	if err := c.config.City.Note(r.Context(), r.PostFormValue("terminal"), r.PostFormValue("alarm"), by, text); err != nil {
		c.fail(w, r, err)
		return
	}
	http.SetCookie(w, c.keep("by", url.QueryEscape(by), r))
	//nolint:gosec // G710: back leaves only paths
	http.Redirect(w, r, back(r.PostFormValue("back")), http.StatusSeeOther)
}

// back lets a form lead to a page of the console only. Browsers read \ as / and
// leave out tabs and line ends (WHATWG URL, 4.4).
func back(path string) string {
	strange := func(r rune) bool { return r <= ' ' || r == '\\' }
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsFunc(path, strange) {
		return "/"
	}
	return path
}

// speak changes the language.
func (c *Console) speak(w http.ResponseWriter, r *http.Request) {
	language := "de"
	if r.PostFormValue("language") == "en" {
		language = "en"
	}
	http.SetCookie(w, c.keep("console_language", language, r))
	//nolint:gosec // G710: back leaves only paths
	http.Redirect(w, r, back(r.PostFormValue("back")), http.StatusSeeOther)
}

func (c *Console) keep(name, value string, r *http.Request) *http.Cookie {
	//nolint:gosec // G124: as the token's
	return &http.Cookie{
		Name: "nachtfach_" + name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: slices.Contains(c.guard.public, strings.ToLower(r.Host)), MaxAge: 365 * 24 * 3600,
	}
}

// page answers with a template filled by read.
func (c *Console) page(name string, read func(*http.Request, *view) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &view{request: c.request(r), Page: name, Line: c.config.City.Line()}
		if err := read(r, v); err != nil {
			c.fail(w, r, err)
			return
		}
		c.show(w, http.StatusOK, v)
	}
}

func (c *Console) show(w http.ResponseWriter, status int, v *view) {
	var whole bytes.Buffer // half a page is none
	if err := c.pages[v.Page].Execute(&whole, v); err != nil {
		c.config.Logger.Error("console: page", "page", v.Page, "error", err)
		http.Error(w, "this page cannot be shown; see cityd's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(whole.Bytes()) // who is gone needs no answer
}

func (c *Console) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errNoPage), errors.Is(err, c.config.Unknown):
		c.wrong(w, r, http.StatusNotFound, errNoPage)
	case r.Context().Err() != nil:
	default:
		c.config.Logger.Error("console: read the record", "path", r.URL.Path, "error", err)
		c.wrong(w, r, http.StatusInternalServerError, errRecord)
	}
}

// wrong tells an admin in words; the log has the rest.
func (c *Console) wrong(w http.ResponseWriter, r *http.Request, status int, err error) {
	c.show(w, status, &view{request: c.request(r), Page: "wrong", Line: c.config.City.Line(), Error: err.Error()})
}
