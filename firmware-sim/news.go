package firmwaresim

import "sync"

// news tells whoever watches that something has changed, without saying what.
// Its zero value is ready; a nil one tells nobody.
type news struct {
	mu   sync.Mutex
	next chan struct{}
}

// changed returns a channel that closes with the next change.
func (n *news) changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

// ring never blocks, so that it may be called with anything locked.
func (n *news) ring() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}
