package envelope

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// Withdrawal is a desk's word that an order is taken back. It holds no secret
// and may be repeated.
type Withdrawal struct {
	Terminal string
	Order    locker.OrderID
	Issued   time.Time // to the second
}

// Text is what the desk signs.
func (w Withdrawal) Text() []byte {
	return fmt.Appendf(nil, "%s\nterminal %s\norder %s\nissued %s\n", kind("withdrawal"), w.Terminal, w.Order, timeText(w.Issued))
}

// SignWithdrawal returns the message.
func SignWithdrawal(desk Signer, w Withdrawal) ([]byte, error) {
	if err := errors.Join(CheckTerminal(w.Terminal), CheckOrderID(w.Order), checkTime("issued", w.Issued)); err != nil {
		return nil, fmt.Errorf("sign withdrawal: %w", err)
	}
	return Sign(desk, NamespaceWithdrawal, w.Text())
}

// IsWithdrawal tells the two messages apart that share the topic of orders.
func IsWithdrawal(message []byte) bool {
	return strings.HasPrefix(string(message[:min(len(message), 100)]), kind("withdrawal")+"\n")
}

// OpenWithdrawal verifies a message: for this terminal, signed by a desk who
// has not left. It returns who signed.
func OpenWithdrawal(s Suite, message []byte, terminal string, people People, at time.Time) (Withdrawal, locker.Person, error) {
	body, desk, err := verifiedBy(s, NamespaceWithdrawal, message, people, locker.Desk, at)
	if err != nil {
		return Withdrawal{}, "", fmt.Errorf("withdrawal: %w", err)
	}
	l := readLines(body, kind("withdrawal"))
	w := Withdrawal{Terminal: l.next("terminal"), Order: l.order("order"), Issued: l.time("issued")}
	if err := l.end(); err != nil {
		return Withdrawal{}, "", fmt.Errorf("withdrawal: %w", err)
	}
	return w, desk, checkAddressee("withdrawal", w.Terminal, terminal)
}
