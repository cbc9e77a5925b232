//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	linux "github.com/holoplot/go-evdev"

	"github.com/nachtfach/nachtfach/hardware/evdev"
	"github.com/nachtfach/nachtfach/hardware/scanner"
)

// keyboard is the driver: it says what it hears.
func keyboard(args []string) error {
	flags := flag.NewFlagSet("keyboard", flag.ExitOnError)
	path := flags.String("path", "", "of the input device")
	_ = flags.Parse(args) // it exits
	k, err := evdev.New(evdev.Config{Name: "badge", Path: *path, Layout: evdev.US})
	if err != nil {
		return err
	}
	return k.Watch(context.Background(), func(text []byte, err error) {
		switch {
		case errors.Is(err, scanner.ErrGone):
			fmt.Println("gone:", err)
		case err != nil:
			fmt.Println("refused:", err)
		case len(text) == 0:
			fmt.Println("grabbed")
		default:
			fmt.Printf("heard %q\n", text)
		}
	})
}

// eavesdrop reads along, as a console or a browser would.
func eavesdrop(args []string) error {
	flags := flag.NewFlagSet("eavesdrop", flag.ExitOnError)
	path := flags.String("path", "", "of the input device")
	_ = flags.Parse(args) // it exits
	d, err := linux.OpenWithFlags(*path, os.O_RDONLY)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		e, err := d.ReadOne()
		if err != nil {
			return err
		}
		if e.Type == linux.EV_KEY && e.Value == 1 {
			fmt.Println("key", e.CodeName())
		}
	}
}

// typist is the device: a keyboard that the kernel takes for plugged in until
// the program ends. It types each line that comes out of a pipe.
func typist(args []string) error {
	flags := flag.NewFlagSet("typist", flag.ExitOnError)
	pipe := flags.String("pipe", "", "named pipe to make, for the lines")
	link := flags.String("link", "", "name that stays, as udev would give it")
	_ = flags.Parse(args) // it exits
	if err := syscall.Mkfifo(*pipe, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	lines, err := os.OpenFile(*pipe, os.O_RDWR, 0) // it ends with no writer
	if err != nil {
		return err
	}
	const name = "laboratory badge reader"
	var keys []linux.EvCode
	for code := linux.EvCode(linux.KEY_ESC); code <= linux.KEY_SPACE; code++ {
		keys = append(keys, code)
	}
	device, err := linux.CreateDevice(name, linux.InputID{BusType: linux.BUS_USB, Vendor: 1, Product: 1, Version: 1}, map[linux.EvType][]linux.EvCode{linux.EV_KEY: keys})
	if err != nil {
		return err
	}
	node, err := nodeOf(name)
	if err != nil {
		return err
	}
	_ = os.Remove(*link) // there may be none
	if err := errors.Join(os.MkdirAll(filepath.Dir(*link), 0o700), os.Symlink(node, *link)); err != nil {
		return err
	}
	fmt.Println("plugged in as", node)
	for in := bufio.NewScanner(lines); in.Scan(); {
		for _, letter := range in.Text() {
			if err := typeLetter(device, letter); err != nil {
				return err
			}
			time.Sleep(2 * time.Millisecond) // a scanner's pace: the kernel keeps 64 events
		}
		if err := press(device, linux.KEY_ENTER); err != nil {
			return err
		}
		fmt.Println("typed")
	}
	return nil
}

// typeLetter types a letter, a digit or a hyphen, as a scanner set to the American
// layout does.
func typeLetter(device *linux.InputDevice, letter rune) error {
	if letter == '-' {
		return press(device, linux.KEY_MINUS)
	}
	code, ok := linux.KEYFromString["KEY_"+strings.ToUpper(string(letter))]
	if !ok {
		return fmt.Errorf("no key for %q", letter)
	}
	if !unicode.IsUpper(letter) {
		return press(device, code)
	}
	return errors.Join(move(device, linux.KEY_LEFTSHIFT, 1), press(device, code), move(device, linux.KEY_LEFTSHIFT, 0))
}

// press presses a key and lets it go.
func press(device *linux.InputDevice, key linux.EvCode) error {
	return errors.Join(move(device, key, 1), move(device, key, 0))
}

// move moves a key: down by 1, up by 0.
func move(device *linux.InputDevice, key linux.EvCode, to int32) error {
	for _, e := range []linux.InputEvent{{Type: linux.EV_KEY, Code: key, Value: to}, {Type: linux.EV_SYN}} {
		if err := device.WriteOne(&e); err != nil {
			return err
		}
	}
	return nil
}

// nodeOf waits for the input device of the name.
func nodeOf(name string) (string, error) {
	for range 200 {
		found, _ := filepath.Glob("/sys/class/input/event*/device/name") // the pattern is good
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil || strings.TrimSpace(string(text)) != name {
				continue
			}
			node := "/dev/input/" + strings.Split(path, "/")[4]
			if _, err := os.Stat(node); err == nil {
				return node, nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", fmt.Errorf("no input device is %s", name)
}
