package record

import (
	"database/sql"

	"github.com/nachtfach/nachtfach/locker"
)

// third adds to version 2 the receipts of deletion. Slots that were erased
// before have one without commitment.
const third = `
ALTER TABLE deposits ADD COLUMN slot    TEXT NOT NULL DEFAULT ''; -- commitment to the slot's key
ALTER TABLE deposits ADD COLUMN quality TEXT NOT NULL DEFAULT ''; -- of its erasure
ALTER TABLE deposits ADD COLUMN settled TEXT NOT NULL DEFAULT ''; -- when it was erased with that quality
UPDATE deposits SET quality = 'logical', settled = since WHERE erased = 1;
`

func addReceipts(tx *sql.Tx) error {
	_, err := tx.Exec(third)
	return err
}

// erased keeps the receipt of a slot's deletion and forgets the share.
func (p projection) erased(f locker.SlotErased) error {
	quality := f.Quality
	if quality == "" { // a terminal of an earlier version
		quality = locker.ErasedLogically
	}
	if err := p.exec(`UPDATE deposits SET erased = 1, slot = ?, quality = ?, settled = ? WHERE terminal = ? AND generation = ?`,
		f.Slot, quality, p.at, p.terminal, f.Generation); err != nil {
		return err
	}
	return p.forget(f.Generation)
}

// rootReplaced makes receipts physical. One whose commitment is another is left
// as it is.
func (p projection) rootReplaced(f locker.RootReplaced) error {
	for _, s := range f.Slots {
		if err := p.exec(`UPDATE deposits SET quality = ?, settled = ? WHERE terminal = ? AND generation = ? AND slot = ? AND erased = 1`,
			locker.ErasedPhysically, p.at, p.terminal, s.Generation, s.Slot); err != nil {
			return err
		}
	}
	return nil
}
