package deploy_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// screenless is where the unit's command runs in the test: in its own mounts and
// processes, where the policies lie as the package lays them, as nobody who may
// anything. $1 is the folder, /mnt in there; the rest is the command.
const screenless = `set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount --bind "$1" /mnt
mount -t tmpfs -o mode=1777 private /tmp
mount -t tmpfs policies /etc/chromium
mkdir -p /etc/chromium/policies/managed
cp /mnt/nachtfach-kiosk.json /etc/chromium/policies/managed/
shift
exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$@"`

// page has the browser do what it must not: show another address, and keep a file.
const page = `<!doctype html><title>kiosk</title><body><script>
const frame = document.createElement("iframe");
frame.onload = () => {
  const link = document.createElement("a");
  link.href = "/file";
  link.download = "file";
  document.body.append(link);
  link.click();
};
frame.src = "http://%s/outside";
document.body.append(frame);
</script>`

// visitor is what is asked of a terminal's page.
type visitor struct {
	admitted, shown chan string // the token, the cookie
	outside         chan string // that another address was asked
	saved           chan bool   // whether the file was kept
}

func (v visitor) serve(elsewhere string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("token"); token != "" {
			http.SetCookie(w, &http.Cookie{Name: "kiosk", Value: "admitted", Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(w, r, "/", http.StatusSeeOther)
			v.admitted <- token
			return
		}
		fmt.Fprintf(w, page, elsewhere)
		v.shown <- r.Header.Get("Cookie")
	})
	mux.HandleFunc("GET /outside", func(http.ResponseWriter, *http.Request) { v.outside <- elsewhere })
	// A browser that may not keep it hangs up; one that may takes it all.
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", "attachment")
		for range 300 {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil || http.NewResponseController(w).Flush() != nil {
				break
			}
			select {
			case <-r.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
		v.saved <- r.Context().Err() == nil
	})
	return mux
}

// listen serves on a loopback address until the test ends.
func listen(t *testing.T, ip string, handler http.Handler) {
	t.Helper()
	l, err := net.Listen("tcp", ip)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

// unit reads the lines of the kiosk's unit that say how it is started.
func unit(t *testing.T) (command, environment []string) {
	t.Helper()
	text, err := os.ReadFile("nachtfach-kiosk.service")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "ExecStart":
			command = strings.Fields(value)
		case "Environment":
			environment = append(environment, strings.Fields(value)...)
		}
	}
	return command, environment
}

// needScreen skips where the screen's programs are not installed.
func needScreen(t *testing.T) {
	t.Helper()
	required := slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "cage")
	for _, program := range []string{"/usr/bin/cage", "/usr/bin/chromium"} {
		if _, err := os.Stat(program); err != nil && required {
			t.Fatalf("cage is required here: %v", err)
		} else if err != nil {
			t.Skipf("%v (Debian: apt-get install cage chromium)", err)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("takes root, to lay the policies where they count and to become somebody else")
	}
}

// screen is the unit's command at work.
type screen struct {
	pid   int
	ended chan error
}

// startScreen runs the unit's command without a screen, until the test ends.
func startScreen(t *testing.T, token, url string) screen {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	run(t, "", "cp", "nachtfach-kiosk", "nachtfach-kiosk.json", dir)
	run(t, "", "mkdir", "-m", "700", at("run"))
	run(t, "", "chown", "65534:65534", at("run"))
	run(t, "", "chmod", "755", dir, at("nachtfach-kiosk"))
	if err := os.WriteFile(at("token"), []byte(token+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	command, environment := unit(t)
	here := strings.NewReplacer("/usr/lib/nachtfach/kiosk", "/mnt/nachtfach-kiosk", "%t/nachtfach-kiosk", "/mnt/run")
	args := []string{"-c", screenless, "sh", dir}
	for _, word := range command {
		args = append(args, here.Replace(word))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sh", args...)
	// It is the first of its processes: with it all end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "RUNTIME_DIRECTORY=/mnt/run", "CREDENTIALS_DIRECTORY=/mnt",
		"KIOSK_URL=" + url, "WLR_BACKENDS=headless", "WLR_LIBINPUT_NO_DEVICES=1",
	}
	for _, setting := range environment {
		cmd.Env = append(cmd.Env, here.Replace(setting))
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Log(said.String())
		}
	})
	return screen{cmd.Process.Pid, ended}
}

func TestTheScreenShowsTheTerminalsPageAndNothingElse(t *testing.T) {
	needScreen(t)
	v := visitor{make(chan string, 9), make(chan string, 9), make(chan string, 9), make(chan bool, 9)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	elsewhere := "127.0.0.2:" + port
	listen(t, address, v.serve(elsewhere))
	listen(t, elsewhere, v.serve(elsewhere))

	ended := startScreen(t, "of-this-boot", "http://"+address+"/").ended
	if token := answer(t, v.admitted, ended); token != "of-this-boot" {
		t.Errorf("the browser came with the token %q", token)
	}
	if cookie := answer(t, v.shown, ended); cookie != "kiosk=admitted" {
		t.Errorf("the browser came back with the cookie %q", cookie)
	}
	if answer(t, v.saved, ended) {
		t.Error("the browser keeps files")
	}
	select {
	case address := <-v.outside:
		t.Errorf("the browser goes to %s", address)
	default: // it was asked before the file was
	}
}

// answer waits for what the browser does.
func answer[T any](t *testing.T, from <-chan T, ended chan error) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case err := <-ended:
		ended <- err
		t.Fatalf("it ended: %v", err)
	case <-time.After(2 * time.Minute):
		t.Fatal("the browser does nothing")
	}
	panic("unreachable")
}

// A keyboard at the screen has the keys that the pages need, and no way into the
// browser.
func TestTheScreensKeyboardHasNoKeyThatOpensAWindow(t *testing.T) {
	xkbcli, err := exec.LookPath("xkbcli")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "cage") {
			t.Fatalf("xkbcli is required here: %v", err)
		}
		t.Skip("no xkbcli here (Debian: apt-get install libxkbcommon-tools)")
	}
	_, environment := unit(t)
	rules := ""
	for _, setting := range environment {
		if name, ok := strings.CutPrefix(setting, "XKB_DEFAULT_RULES="); ok {
			rules = name
		}
	}
	keymap := run(t, "", "env", "XKB_CONFIG_EXTRA_PATH=xkb", xkbcli, "compile-keymap", "--rules", rules)
	_, symbols, found := strings.Cut(keymap, "xkb_symbols")
	if !found {
		t.Fatalf("no keymap:\n%s", keymap)
	}
	for _, key := range []string{"<AE01>", "<KP1>", "<BKSP>", "<ESC>", "<RTRN>", "<KPEN>", "<UP>"} {
		if !strings.Contains(symbols, key) {
			t.Errorf("it has no key %s", key)
		}
	}
	for _, key := range []string{"<LCTL>", "<RCTL>", "<LALT>", "<RALT>", "<LWIN>", "<MENU>"} {
		if strings.Contains(symbols, key) {
			t.Errorf("it has the key %s", key)
		}
	}
	if regexp.MustCompile(`\[ *F[0-9]`).MatchString(symbols) {
		t.Error("it has function keys")
	}
}
