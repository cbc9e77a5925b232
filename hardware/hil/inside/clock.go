//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nachtfach/nachtfach/hardware/rtc"
)

// clock looks at the real-time clock twice and says what it saw. Before or
// between the looks it can set it, which the driver never does.
func clock(args []string) error {
	flags := flag.NewFlagSet("clock", flag.ExitOnError)
	first := flags.Int64("first", 0, "time to set before the first look, in Unix seconds; 0 sets none")
	then := flags.Int64("then", 0, "time to set before the second")
	built := flags.Int64("built", 0, "when the program was built")
	_ = flags.Parse(args) // it exits
	c := rtc.New(rtc.Config{Built: time.Unix(*built, 0)})
	for i, set := range []int64{*first, *then} {
		if i > 0 {
			time.Sleep(3 * time.Second)
		}
		if err := setClock(set); err != nil {
			return err
		}
		at, err := c.Look()
		fmt.Printf("%d %v\n", at.Unix(), err)
	}
	return nil
}

func setClock(to int64) error {
	if to == 0 {
		return nil
	}
	f, err := os.OpenFile("/dev/"+rtc.Default, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // it was set already
	t := time.Unix(to, 0).UTC()
	return unix.IoctlSetRTCTime(int(f.Fd()), &unix.RTCTime{
		Sec: int32(t.Second()), Min: int32(t.Minute()), Hour: int32(t.Hour()), Mday: int32(t.Day()), Mon: int32(t.Month()) - 1, Year: int32(t.Year()) - 1900,
	})
}
