package controller

import (
	"context"
	"fmt"

	"github.com/nachtfach/nachtfach/locker"
)

// carryOut starts the job of one action; its events are durable.
func (k *Controller) carryOut(a locker.Action) {
	switch a := a.(type) {
	case locker.PulseLock:
		k.Start(LockLane, func(ctx context.Context) locker.Input {
			if a.Measure {
				m, err := k.Locks.Measure(ctx, a.Compartment)
				return locker.LockPulsed{Pulse: a.Pulse, Compartment: a.Compartment, Measured: m, Err: text(err)}
			}
			return locker.LockPulsed{Pulse: a.Pulse, Compartment: a.Compartment, Err: text(k.Locks.Pulse(ctx, a.Compartment))}
		})
	case locker.CaptureFinger:
		k.captureFinger(a)
	case locker.ForgetVisit:
		k.stopCapture()
		k.Start(VaultLane, func(context.Context) locker.Input { k.Vault.Forget(); return nil })
	case locker.PublishKeys:
		k.Announcer.AnnounceKeys()
	case locker.ResendAll:
		k.Announcer.AnnounceAll()
	case locker.Diagnose:
		k.Start(LockLane, func(ctx context.Context) locker.Input {
			var found map[string]string
			if k.Diagnose != nil {
				found = k.Diagnose(ctx)
			}
			return locker.DiagnosisMade{Findings: found}
		})
	case locker.PublishLetter:
		k.Announcer.AnnounceLetter(a.Generation)
	default:
		k.Start(VaultLane, func(context.Context) locker.Input { return k.keep(a) })
	}
}

// captureFinger lets ForgetVisit end a reading that nobody waits for.
func (k *Controller) captureFinger(a locker.CaptureFinger) {
	k.stopCapture()
	ctx, cancel := context.WithCancel(context.Background())
	k.mu.Lock()
	k.capture = cancel
	k.mu.Unlock()
	k.Start(ReaderLane, func(lane context.Context) locker.Input {
		defer context.AfterFunc(lane, cancel)()
		advice, presented, err := k.Fingers.Capture(ctx, a.Attempt, a.Lift)
		if ctx.Err() != nil {
			return nil // nobody waits for it any more
		}
		return locker.FingerCaptured{Attempt: a.Attempt, Advice: advice, Presentation: presented, Err: text(err)}
	})
}

func (k *Controller) stopCapture() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.capture != nil {
		k.capture()
		k.capture = nil
	}
}

// keep does the vault's part of an action and puts its answer into words.
func (k *Controller) keep(a locker.Action) locker.Input {
	v := k.Vault
	switch a := a.(type) {
	case locker.MakeKeys:
		keys, err := v.MakeKeys(a.First, a.Count, a.Expires)
		return locker.KeysMade{Keys: keys, Err: text(err)}
	case locker.EraseKey:
		return locker.KeyOverwritten{Key: a.Key, Err: text(v.EraseKey(a.Key))}
	case locker.EraseOrder:
		return locker.OrderOverwritten{Order: a.Order, Err: text(v.EraseOrder(a.Order, a.Key))}
	case locker.PrepareDeposit:
		hash, err := v.Prepare(a.Generation, a.Order, a.At)
		return locker.DepositReady{Generation: a.Generation, Hash: hash, Slot: v.Commitment(a.Generation), Err: text(err)}
	case locker.ReissueDeposit:
		hash, err := v.Reissue(a.Generation, a.Replaces, a.Order, a.At)
		return locker.DepositReady{Generation: a.Generation, Hash: hash, Slot: v.Commitment(a.Generation), Err: text(err)}
	case locker.EraseSlot:
		return locker.SlotOverwritten{Generation: a.Generation, Err: text(v.EraseSlot(a.Generation, a.At))}
	case locker.ReplaceRoot:
		return locker.RootChanged{Upto: a.Upto, Err: text(v.ReplaceRoot())}
	case locker.DeleteLetter:
		return locker.LetterRemoved{Generation: a.Generation, Err: text(v.DeleteLetter(a.Generation))}
	case locker.FindDeposit:
		g, recipient, _ := v.Find(a.Code)
		return locker.DepositFound{Attempt: a.Attempt, Generation: g, Recipient: recipient}
	case locker.TryCode:
		defer a.Code.Wipe() // the visit has let go of it
		opened, err := v.Try(a.Attempt, a.Generation, a.Recipient, a.Code)
		return locker.CodeTried{Attempt: a.Attempt, Generation: a.Generation, Opened: opened, Err: text(err)}
	case locker.CompareFactor:
		defer clear(a.Number)
		accepted, similarity, fmr, err := v.Compare(a.Attempt, a.Generation, a.Factor, a.Finger, a.Number, a.Threshold)
		return locker.FactorTried{Attempt: a.Attempt, Generation: a.Generation, Accepted: accepted, Similarity: similarity, FMR: fmr, Err: text(err)}
	case locker.FindCard:
		key, err := v.AskKey(a)
		return locker.CardFound{Check: a.Check, Person: v.FindCard(a.Card), Key: key, Err: text(err)}
	case locker.CheckKey:
		person, proved, err := v.CheckKey(a.Card, a.Assertion)
		return locker.ClerkChecked{Check: a.Check, Person: person, Proved: proved, Err: text(err)}
	case locker.CheckClerk:
		defer clear(a.Number)
		person, proved, err := v.CheckClerk(a.Card, a.Number)
		return locker.ClerkChecked{Check: a.Check, Person: person, Proved: proved, Err: text(err)}
	}
	panic(fmt.Sprintf("controller: no way to carry out %T", a)) // a new action without its line here; every test of it meets this
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
