//go:build linux

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	periph "periph.io/x/conn/v3/gpio"

	"github.com/nachtfach/nachtfach/hardware/gpio"
)

// chip is the simulator's side of the lines PREFIX0, PREFIX1 …
type chip struct {
	folder string
	first  int // number of the first of the lines
}

func (c chip) pull(n int, high bool) error {
	text := "pull-down"
	if high {
		text = "pull-up"
	}
	return os.WriteFile(fmt.Sprintf("%s/sim_gpio%d/pull", c.folder, c.first+n), []byte(text), 0o600)
}

// book is what the driver told of the doors.
type book struct {
	mu    sync.Mutex
	last  []bool
	at    []time.Time
	count []int
	errs  []string
}

func (b *book) write(n int, open bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.errs = append(b.errs, err.Error())
		return
	}
	b.last[n], b.at[n] = open, time.Now()
	b.count[n]++
}

// watchDoors opens the contacts and writes down what they tell.
func watchDoors(prefix string, count int, debounce time.Duration) (*book, error) {
	b := &book{last: make([]bool, count), at: make([]time.Time, count), count: make([]int, count)}
	for n := range count {
		name := fmt.Sprintf("%s%d", prefix, n)
		if _, err := gpio.RegisterLine(gpio.LineConfig{Name: name, Consumer: "inside"}); err != nil {
			return nil, err
		}
		contact, err := gpio.OpenContact(gpio.ContactConfig{Line: name, Pull: periph.PullNoChange, Debounce: debounce})
		if err != nil {
			return nil, err
		}
		go func() {
			_ = contact.Watch(context.Background(), func(open bool, err error) { b.write(n, open, err) }) // until the end
		}()
	}
	return b, nil
}

// chatterResult is what chatter saw.
type chatterResult struct {
	Movements int      // of all doors
	Told      int      // by the driver
	Wrong     int      // doors whose last told state is not the last true one
	Twice     int      // movements that were told more than once
	Slow      int      // movements with a pause longer than the debouncing, which are two
	P50, P99  float64  // ms from the last bounce to the word
	Longest   float64  // ms
	Errors    []string // that the driver told
}

// chatter moves the doors, all at once, again and again: each movement bounces
// and comes to rest in the other position.
func chatter(args []string) error {
	flags := flag.NewFlagSet("chatter", flag.ExitOnError)
	folder := flags.String("chip", "", "folder of the simulator")
	first := flags.Int("first", 0, "number of the first line")
	count := flags.Int("count", 64, "of doors")
	rounds := flags.Int("rounds", 5, "of movements")
	bounces := flags.Int("bounces", 7, "of a movement")
	seed := flags.Uint64("seed", 1, "of the bounces")
	debounce := flags.Duration("debounce", 200*time.Millisecond, "of the driver")
	_ = flags.Parse(args) // it exits
	c := chip{*folder, *first}
	book, err := watchDoors("DOOR", *count, *debounce)
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // the first words
	random := rand.New(rand.NewPCG(*seed, 0))
	var result chatterResult
	var latencies []float64
	for round := range *rounds {
		open := round%2 == 0
		book.mu.Lock()
		clear(book.count)
		book.mu.Unlock()
		rested := make([]time.Time, *count)
		slow := make([]bool, *count)
		level := make([]bool, *count)
		for n := range level {
			level[n] = !open
		}
		// Eight at a time, so that a pass over them is quicker than the debouncing.
		for group := range slices.Chunk(random.Perm(*count), 8) {
			for range *bounces | 1 { // an odd number of changes ends in the other position
				for _, n := range group {
					level[n] = !level[n]
					if err := c.pull(n, level[n]); err != nil {
						return err
					}
					now := time.Now()
					slow[n] = slow[n] || !rested[n].IsZero() && now.Sub(rested[n]) > *debounce*3/4
					rested[n] = now
				}
				time.Sleep(time.Duration(random.IntN(2)) * time.Millisecond)
			}
		}
		time.Sleep(3 * time.Second) // longer than any word may take
		latencies = append(latencies, book.judge(&result, open, rested, slow)...)
	}
	slices.Sort(latencies)
	if n := len(latencies); n > 0 {
		result.P50, result.P99, result.Longest = latencies[n/2], latencies[n*99/100], latencies[n-1]
	}
	result.Errors = book.errs
	return json.NewEncoder(os.Stdout).Encode(result)
}

func (b *book) judge(result *chatterResult, open bool, rested []time.Time, slow []bool) []float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var latencies []float64
	for n := range b.last {
		result.Movements++
		result.Told += b.count[n]
		if b.last[n] != open {
			result.Wrong++
			continue
		}
		switch {
		case slow[n]:
			result.Slow++
		case b.count[n] > 1:
			result.Twice++
		}
		latencies = append(latencies, float64(b.at[n].Sub(rested[n]).Microseconds())/1000)
	}
	return latencies
}
