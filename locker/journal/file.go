package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/mod/sumdb/tlog"
)

const version = "1" // of the layout in the package comment

var (
	metaBucket     = []byte("meta")
	eventBucket    = []byte("events")
	snapshotBucket = []byte("snapshots")
	signedBucket   = []byte("checkpoints") // made with its first entry

	versionKey   = []byte("version")
	logKey       = []byte("log")
	terminalKey  = []byte("terminal")
	sizeKey      = []byte("size")
	rootKey      = []byte("root")
	signatureKey = []byte("signature")
	cursorKey    = []byte("cursor")
	ackKey       = []byte("ack")
	prunedKey    = []byte("pruned")
	countKey     = []byte("count")
)

const lockTimeout = time.Second // for a predecessor that is about to end

// Create makes an empty journal for the terminal. Power may fail at any moment:
// the file gets its name only when it is complete. One that is there is never
// touched (fs.ErrExist).
func Create(c Config) error {
	if err := create(c); err != nil {
		return fmt.Errorf("create journal %s: %w", c.Path, named(err))
	}
	return nil
}

func create(c Config) error {
	if c.Terminal == "" {
		return errors.New("wants a terminal")
	}
	if _, err := os.Lstat(c.Path); err == nil {
		return fs.ErrExist
	}
	fresh := c.Path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer os.Remove(fresh)
	if err := guard("initialise", func() error { return initialise(c, fresh) }); err != nil {
		return err
	}
	// Unlike a rename, a link never replaces a journal.
	if err := os.Link(fresh, c.Path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(c.Path))
}

func initialise(c Config, path string) error {
	options := *bbolt.DefaultOptions
	options.Timeout = lockTimeout
	options.OpenFile = c.OpenFile
	db, err := bbolt.Open(path, 0o600, &options)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{metaBucket, eventBucket, snapshotBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		return errors.Join(
			meta.Put(versionKey, []byte(version)),
			meta.Put(terminalKey, []byte(c.Terminal)),
			meta.Put(logKey, []byte(c.Log)),
			head{}.save(meta))
	})
	if err == nil {
		err = db.Sync()
	}
	return errors.Join(err, db.Close())
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// openFile opens an existing file and walks its pages. It looks at it through a
// read-only opening first, which reads nothing but the meta pages: opening for
// writing reads the list of free pages, and where bbolt panics over that, the
// lock stays with this process until it ends.
func openFile(c Config, readOnly bool) (*bbolt.DB, *os.File, error) {
	db, file, err := openChecked(c, true)
	if err != nil || readOnly {
		return db, file, err
	}
	if err := db.Close(); err != nil {
		return nil, nil, err
	}
	return openChecked(c, false)
}

func openChecked(c Config, readOnly bool) (*bbolt.DB, *os.File, error) {
	var file *os.File
	options := bbolt.Options{
		Timeout:      lockTimeout,
		ReadOnly:     readOnly,
		FreelistType: bbolt.FreelistMapType,
		MaxSize:      c.Limit,
		OpenFile: func(name string, flag int, perm fs.FileMode) (_ *os.File, err error) {
			file, err = openExisting(c, name, flag, perm)
			return file, err
		},
	}
	var db *bbolt.DB
	err := guard("open", func() (err error) {
		if db, err = bbolt.Open(c.Path, 0o600, &options); err != nil {
			return err
		}
		if err := complete(db, file); err != nil || !readOnly {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			return err
		}
		return checkPages(file, info.Size())
	})
	if err == nil {
		return db, file, nil
	}
	if db != nil {
		_ = guard("close", db.Close)
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) || errors.Is(err, berrors.ErrTimeout) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrMedium) {
		return nil, nil, named(err)
	}
	return nil, nil, fmt.Errorf("%w: %w", ErrCorrupt, err) // bbolt's words for a file that makes no sense
}

// openExisting refuses an empty file, of which bbolt would make a new database.
func openExisting(c Config, name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := c.OpenFile(name, flag&^os.O_CREATE, perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (info.Size() == 0 || !info.Mode().IsRegular()) {
		err = fmt.Errorf("%w: is empty, or no file", ErrCorrupt)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// complete tells a truncated file before a fault on a missing page does.
func complete(db *bbolt.DB, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return db.View(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: truncated, has %d of %d bytes", ErrCorrupt, info.Size(), tx.Size())
		}
		return nil
	})
}

// load reads the head and sees that the tree's edge fits its root.
func (j *Journal) load() error {
	err := guard("read", func() error { return j.db.View(j.loadHead) })
	if err != nil || j.readOnly {
		return err
	}
	return j.proveWritable()
}

func (j *Journal) loadHead(tx *bbolt.Tx) error {
	meta, events, snapshots := tx.Bucket(metaBucket), tx.Bucket(eventBucket), tx.Bucket(snapshotBucket)
	if meta == nil || events == nil || snapshots == nil {
		return fmt.Errorf("%w: is another database", ErrCorrupt)
	}
	if v := string(meta.Get(versionKey)); v != version {
		return fmt.Errorf("%w: %q, this program reads %q", ErrVersion, v, version)
	}
	terminal := string(meta.Get(terminalKey))
	if j.readOnly {
		j.config.Terminal = terminal
	}
	if terminal != j.config.Terminal {
		return fmt.Errorf("%w: is that of %q, not of %q", ErrForeign, terminal, j.config.Terminal)
	}
	j.log = string(meta.Get(logKey))
	size, cursor := meta.Get(sizeKey), meta.Get(cursorKey)
	if len(size) != 8 || len(cursor) != 8 {
		return fmt.Errorf("%w: size or cursor is cut off", ErrCorrupt)
	}
	h := head{cursor: binary.BigEndian.Uint64(cursor), ack: bytes.Clone(meta.Get(ackKey))}
	h.written = h.cursor
	h.signature = bytes.Clone(meta.Get(signatureKey))
	h.loadCount(meta)
	if p := meta.Get(prunedKey); len(p) == 8 {
		h.pruned = binary.BigEndian.Uint64(p)
	}
	if k, _ := snapshots.Cursor().Last(); len(k) == 8 {
		h.snapshot = binary.BigEndian.Uint64(k)
	}
	if err := h.loadAck(j.Origin()); err != nil && !j.readOnly {
		return err
	}
	return j.loadTree(h, binary.BigEndian.Uint64(size), meta.Get(rootKey), events)
}

func (j *Journal) loadTree(h head, size uint64, root []byte, events *bbolt.Bucket) (err error) {
	if size > 1<<62 || h.cursor > size || h.snapshot > size || h.pruned > size {
		return fmt.Errorf("%w: cursor %d, snapshot %d and pruned %d of %d events", ErrCorrupt, h.cursor, h.snapshot, h.pruned, size)
	}
	h.tree, err = stored{events}.edgeOf(size)
	if j.readOnly { // Verify tells what is wrong, and where
		h.tree.size = int64(size)
		j.head = h
		return nil
	}
	if err != nil {
		return err
	}
	if last, _ := events.Cursor().Last(); size > 0 && !bytes.Equal(last, key(size-1)) {
		return fmt.Errorf("%w: the last of %d events is not where it should be", ErrCorrupt, size)
	}
	have, err := h.tree.root()
	if err != nil {
		return err
	}
	if !bytes.Equal(have[:], root) {
		return fmt.Errorf("%w: the events' hashes do not lead to the root; verify the journal to see where", ErrCorrupt)
	}
	j.head = h
	return nil
}

// save writes what loadHead reads.
func (h head) save(meta *bbolt.Bucket) error {
	root, err := h.tree.root()
	if err != nil {
		return err
	}
	for _, e := range []struct{ key, value []byte }{
		{sizeKey, key(uint64(h.tree.size))},
		{rootKey, root[:tlog.HashSize]},
		{signatureKey, h.signature},
		{cursorKey, key(h.cursor)},
		{ackKey, h.ack},
		{prunedKey, key(h.pruned)},
	} {
		if err := meta.Put(e.key, e.value); err != nil {
			return err
		}
	}
	return h.saveCount(meta)
}
