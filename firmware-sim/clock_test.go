package firmwaresim_test

import (
	"sort"
	"sync"
	"time"
)

// stepClock is a Clock that moves when it is told.
type stepClock struct {
	mu    sync.Mutex
	now   time.Time
	tasks []*task
	count int
}

type task struct {
	due    time.Time
	number int
	run    func()
}

func newStepClock() *stepClock {
	return &stepClock{now: time.Date(2027, 3, 1, 2, 0, 0, 0, time.UTC)}
}

func (c *stepClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stepClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &task{c.now.Add(d), c.count, f}
	c.count++
	c.tasks = append(c.tasks, t)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, other := range c.tasks {
			if other == t {
				c.tasks = append(c.tasks[:i], c.tasks[i+1:]...)
				return
			}
		}
	}
}

// step moves the clock and does what is due on the way.
func (c *stepClock) step(d time.Duration) {
	end := c.Now().Add(d)
	for {
		t := c.pop(end)
		if t == nil {
			return
		}
		t.run()
	}
}

// pop takes the first task until end, and moves the clock there.
func (c *stepClock) pop(end time.Time) *task {
	c.mu.Lock()
	defer c.mu.Unlock()
	sort.Slice(c.tasks, func(i, j int) bool {
		a, b := c.tasks[i], c.tasks[j]
		return a.due.Before(b.due) || a.due.Equal(b.due) && a.number < b.number
	})
	if len(c.tasks) == 0 || c.tasks[0].due.After(end) {
		c.now = end
		return nil
	}
	t := c.tasks[0]
	c.tasks = c.tasks[1:]
	c.now = t.due
	return t
}
