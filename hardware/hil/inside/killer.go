//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killer kills a process once the first expander drives one of its lines: from
// in here, because a pulse is short for who looks from outside.
func killer(args []string) error {
	flags := flag.NewFlagSet("killer", flag.ExitOnError)
	pid := flags.Int("pid", 0, "of the process")
	after := flags.Duration("after", 0, "how far into the pulse")
	_ = flags.Parse(args) // it exits
	for {
		text, err := os.ReadFile("/sys/module/expanders/parameters/driven")
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(text)), ",")
		n, err := strconv.ParseUint(first, 10, 32)
		if err != nil {
			return err
		}
		if n&^(n>>16)&0xffff != 0 { // in the latch, and an output
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	time.Sleep(*after)
	if err := syscall.Kill(*pid, syscall.SIGKILL); err != nil {
		return err
	}
	fmt.Println("killed")
	return nil
}
