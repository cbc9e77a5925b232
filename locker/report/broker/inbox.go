package broker

import "sync"

// Inbox holds received messages until they are taken: in order, and no more
// than a number of bytes. When it is full, what comes is dropped and counted.
type Inbox struct {
	mu      sync.Mutex
	queue   []Message
	bytes   int
	limit   int
	dropped int
	ready   chan struct{}
}

// NewInbox makes an inbox for at most limit bytes.
func NewInbox(limit int) *Inbox {
	return &Inbox{limit: limit, ready: make(chan struct{}, 1)}
}

// overhead is what a message costs beside its payload, so that a flood of empty
// ones is bounded too.
const overhead = 128

func (b *Inbox) put(m Message) {
	b.mu.Lock()
	size := len(m.Payload) + len(m.Topic) + overhead
	if b.bytes+size > b.limit {
		b.dropped++
		b.mu.Unlock()
		return
	}
	b.queue = append(b.queue, m)
	b.bytes += size
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// Ready holds a value when there may be something to take.
func (b *Inbox) Ready() <-chan struct{} { return b.ready }

// Take empties the inbox and tells how many messages were dropped since the last time.
func (b *Inbox) Take() (messages []Message, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	messages, dropped = b.queue, b.dropped
	b.queue, b.bytes, b.dropped = nil, 0, 0
	return messages, dropped
}
