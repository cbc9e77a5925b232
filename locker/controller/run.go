package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// ErrStopped tells that the loop has ended.
var ErrStopped = errors.New("the controller has stopped")

// Run is the loop: inputs as they come, a tick at each deadline, jobs in their
// lanes. It runs once. It returns nil when ctx ends, and the commit's error when one fails.
func (k *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer k.stopCapture()
	defer close(k.stopped)
	for _, q := range k.queues {
		wg.Go(func() { q.work(ctx, k.Deliver) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(k.untilDeadline())
		var d delivery
		select {
		case <-ctx.Done():
			return nil
		case d = <-k.inbox:
		case <-timer.C:
			d.input = locker.Tick{}
		}
		if err := k.Handle(k.Now(), d.input); err != nil {
			return err
		}
		if d.done != nil {
			d.done <- *k.screen.Load()
		}
	}
}

// idleTick is the longest time without a turn, so that a watchdog sees the loop alive.
const idleTick = 5 * time.Second

func (k *Controller) untilDeadline() time.Duration {
	d := k.Terminal.Deadline() - k.Now().Uptime
	return min(max(d, 0), idleTick)
}

// Deliver hands an input to the loop; it waits for room, or for the end of ctx.
func (k *Controller) Deliver(ctx context.Context, in locker.Input) {
	select {
	case k.inbox <- delivery{input: in}:
	case <-ctx.Done():
	}
}

// Submit hands an input to the loop and returns the screen after it.
func (k *Controller) Submit(ctx context.Context, in locker.Input) (locker.Screen, error) {
	done := make(chan locker.Screen, 1)
	select {
	case k.inbox <- delivery{in, done}:
	case <-k.stopped:
		return locker.Screen{}, ErrStopped
	case <-ctx.Done():
		return locker.Screen{}, ErrStopped
	}
	select {
	case s := <-done:
		return s, nil
	case <-k.stopped:
		return locker.Screen{}, ErrStopped
	case <-ctx.Done():
		return locker.Screen{}, ErrStopped
	}
}

// queue is a lane's jobs, and those that are done while there are none of them.
// It has no bound of its own: the terminal asks for one thing at a time, and
// Receive bounds the city's messages.
type queue struct {
	mu    sync.Mutex
	jobs  []Job
	later []Job
	some  chan struct{}
}

func newQueue() *queue { return &queue{some: make(chan struct{}, 1)} }

func (q *queue) push(j Job)      { q.add(&q.jobs, j) }
func (q *queue) pushLater(j Job) { q.add(&q.later, j) }

func (q *queue) add(to *[]Job, j Job) {
	q.mu.Lock()
	*to = append(*to, j)
	q.mu.Unlock()
	select {
	case q.some <- struct{}{}:
	default:
	}
}

func (q *queue) pop() (Job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	from := &q.jobs
	if len(*from) == 0 {
		from = &q.later
	}
	if len(*from) == 0 {
		return nil, false
	}
	j := (*from)[0]
	(*from)[0] = nil
	*from = (*from)[1:]
	return j, true
}

func (q *queue) work(ctx context.Context, deliver func(context.Context, locker.Input)) {
	for ctx.Err() == nil {
		j, ok := q.pop()
		if !ok {
			select {
			case <-ctx.Done():
			case <-q.some:
			}
			continue
		}
		if in := safely(ctx, j); in != nil {
			deliver(ctx, in)
		}
	}
}

// safely turns a part's panic into a failed part: the terminal's deadline
// answers for the action, and the record tells why.
func safely(ctx context.Context, j Job) (in locker.Input) {
	defer func() {
		if r := recover(); r != nil {
			in = locker.PartFailed{Part: "controller", Detail: fmt.Sprint(r)}
		}
	}()
	return j(ctx)
}
