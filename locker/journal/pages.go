package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The layout of a bbolt file, as its version 2 writes it on a little-endian
// machine. A page begins with a header: id uint64, flags uint16, count uint16,
// overflow uint32. Elements of 16 bytes follow, then keys and values.
const (
	pageHeader  = 16
	element     = 16
	bucketSize  = 16 // root uint64, sequence uint64
	metaSize    = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01 // of a leaf's element

	noFreelist = ^uint64(0)
	manyFree   = 0xFFFF // the count is in the page's first 8 bytes

	leastPage = 512
	mostPage  = 64 << 10
	// longestPage bounds one page with its overflow, in bytes. The longest value
	// is a record or a snapshot; a length that was damaged must not take the
	// machine's memory.
	longestPage = 64 << 20
	// maxDepth bounds the levels from the root to a leaf, nested buckets
	// included. A tree of two keys a page has fewer with any file.
	maxDepth = 100
)

// checkPages walks every page that the newest meta page leads to and says
// whether bbolt can walk there, too. bbolt itself follows page numbers
// recursively and without a bound: a page that leads back to itself ends the
// process by a stack overflow, which nothing can recover from. The walk reads
// the file, not the memory map, so that a medium that cannot read a page gives
// an error. A file that is damaged gives [ErrCorrupt].
func checkPages(file io.ReaderAt, size int64) error {
	m, err := newestMeta(file)
	if err != nil {
		return err
	}
	if m.pages > uint64(size)/uint64(m.pageSize) {
		return fmt.Errorf("%w: truncated, has %d of %d bytes", ErrCorrupt, size, m.pages*uint64(m.pageSize))
	}
	w := &walk{file: file, meta: m, seen: make([]bool, m.pages), buffer: make([]byte, m.pageSize)}
	if err := w.tree(m.root); err != nil {
		return err
	}
	return w.freelist()
}

// meta is one of the file's first two pages.
type metaPage struct {
	pageSize       int
	root, freelist uint64
	pages          uint64 // below this number
	transaction    uint64
}

// newestMeta reads both meta pages and takes the newer one that is whole, as
// bbolt does.
func newestMeta(file io.ReaderAt) (newest metaPage, err error) {
	first, err := readMeta(file, 0)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return newest, err
	}
	sizes := []int{first.pageSize}
	if err != nil { // the second one lies behind the first, whose page size is not known
		for sizes = nil; len(sizes) < 8; {
			sizes = append(sizes, leastPage<<len(sizes))
		}
	}
	newest = first
	for _, s := range sizes {
		second, bad := readMeta(file, int64(s))
		if bad != nil && !errors.Is(bad, ErrCorrupt) {
			return newest, bad
		}
		if bad == nil && second.pageSize == s && (err != nil || second.transaction > newest.transaction) {
			newest, err = second, nil
		}
	}
	return newest, err
}

func readMeta(file io.ReaderAt, at int64) (m metaPage, err error) {
	b := make([]byte, metaSize)
	if err := readFull(file, b, at+pageHeader); err != nil {
		return m, err
	}
	order := binary.LittleEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8])
	m = metaPage{
		pageSize: int(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		pages: order.Uint64(b[40:]), transaction: order.Uint64(b[48:]),
	}
	switch {
	case order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion || order.Uint64(b[56:]) != sum.Sum64():
		return metaPage{}, fmt.Errorf("%w: the meta page at byte %d does not hold", ErrCorrupt, at)
	case m.pageSize < leastPage || m.pageSize > mostPage || m.pageSize&(m.pageSize-1) != 0:
		return metaPage{}, fmt.Errorf("%w: pages of %d bytes", ErrCorrupt, m.pageSize)
	}
	return m, nil
}

// readFull reads all of b. A file that ends before is damaged.
func readFull(file io.ReaderAt, b []byte, at int64) error {
	_, err := file.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: truncated before byte %d", ErrCorrupt, at+int64(len(b)))
	}
	if err != nil {
		return fmt.Errorf("read at byte %d: %w", at, err)
	}
	return nil
}

// walk is one walk over the pages. Every page may be reached once.
type walk struct {
	file   io.ReaderAt
	meta   metaPage
	seen   []bool
	buffer []byte
	todo   []step // a stack: the walk itself is no recursion
}

type step struct {
	page  uint64
	depth int
	first []byte // the key that the parent names; nil for a root
}

func (w *walk) tree(root uint64) error {
	w.todo = append(w.todo, step{page: root})
	for len(w.todo) > 0 {
		s := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if s.depth > maxDepth {
			return fmt.Errorf("%w: page %d lies more than %d levels deep", ErrCorrupt, s.page, maxDepth)
		}
		b, err := w.read(s.page)
		if err != nil {
			return err
		}
		if err := w.elements(s, b); err != nil {
			return fmt.Errorf("page %d: %w", s.page, err)
		}
	}
	return nil
}

// take marks a page as reached.
func (w *walk) take(id uint64) error {
	if id < 2 || id >= uint64(len(w.seen)) {
		return fmt.Errorf("%w: page %d is named and the file has pages 2 to %d", ErrCorrupt, id, len(w.seen)-1)
	}
	if w.seen[id] {
		return fmt.Errorf("%w: page %d is reached twice", ErrCorrupt, id)
	}
	w.seen[id] = true
	return nil
}

// read reads a page with what overflows it. The bytes are valid until the next call.
func (w *walk) read(id uint64) ([]byte, error) {
	if err := w.take(id); err != nil {
		return nil, err
	}
	size := w.meta.pageSize
	b := w.buffer[:size]
	if err := readFull(w.file, b, int64(id)*int64(size)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if is := binary.LittleEndian.Uint64(b); is != id {
		return nil, fmt.Errorf("%w: page %d says that it is page %d", ErrCorrupt, id, is)
	}
	overflow := uint64(binary.LittleEndian.Uint32(b[12:]))
	if overflow > longestPage/uint64(size) {
		return nil, fmt.Errorf("%w: page %d claims %d more pages", ErrCorrupt, id, overflow)
	}
	for n := range overflow {
		if err := w.take(id + n + 1); err != nil {
			return nil, fmt.Errorf("page %d with %d more: %w", id, overflow, err)
		}
	}
	if overflow == 0 {
		return b, nil
	}
	if need := (int(overflow) + 1) * size; len(w.buffer) < need {
		w.buffer = make([]byte, need)
	}
	b = w.buffer[:(int(overflow)+1)*size]
	if err := readFull(w.file, b, int64(id)*int64(size)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return b, nil
}

// elements holds a branch or a leaf against its bounds, and notes where it leads.
func (w *walk) elements(s step, b []byte) error {
	order := binary.LittleEndian
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	switch {
	case flags != branchPage && flags != leafPage:
		return fmt.Errorf("%w: is neither a branch nor a leaf (flags %#x)", ErrCorrupt, flags)
	case pageHeader+count*element > len(b):
		return fmt.Errorf("%w: %d elements in %d bytes", ErrCorrupt, count, len(b))
	case flags == branchPage && count == 0:
		return fmt.Errorf("%w: is a branch that leads nowhere", ErrCorrupt)
	}
	var last []byte
	for i := range count {
		at := pageHeader + i*element
		e := b[at : at+element]
		var key, value []byte
		var ok bool
		if flags == branchPage {
			key, _, ok = body(b, at, order.Uint32(e), order.Uint32(e[4:]), 0)
		} else {
			key, value, ok = body(b, at, order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:]))
		}
		switch {
		case !ok:
			return fmt.Errorf("%w: element %d of %d lies outside of it", ErrCorrupt, i, count)
		case i > 0 && bytes.Compare(last, key) >= 0:
			return fmt.Errorf("%w: element %d of %d is not in order", ErrCorrupt, i, count)
		case i == 0 && s.first != nil && bytes.Compare(key, s.first) < 0:
			return fmt.Errorf("%w: begins before the key that leads to it", ErrCorrupt)
		}
		last = key
		switch {
		case flags == branchPage:
			w.todo = append(w.todo, step{order.Uint64(e[8:]), s.depth + 1, bytes.Clone(key)})
		case order.Uint32(e)&bucketFlag != 0:
			if err := w.bucket(value, s.depth+1); err != nil {
				return fmt.Errorf("bucket %q: %w", key, err)
			}
		}
	}
	return nil
}

// body is the key and the value of an element, if they lie within the page.
func body(page []byte, at int, offset, keySize, valueSize uint32) (key, value []byte, ok bool) {
	from := uint64(at) + uint64(offset)
	middle := from + uint64(keySize)
	to := middle + uint64(valueSize)
	if to > uint64(len(page)) {
		return nil, nil, false
	}
	return page[from:middle], page[middle:to], true
}

// bucket follows a bucket in a leaf's element: its pages, or the one page that
// lies in the element itself.
func (w *walk) bucket(value []byte, depth int) error {
	if len(value) < bucketSize {
		return fmt.Errorf("%w: has %d bytes", ErrCorrupt, len(value))
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		w.todo = append(w.todo, step{page: root, depth: depth})
		return nil
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || binary.LittleEndian.Uint16(inline[8:]) != leafPage {
		return fmt.Errorf("%w: its page within the element is none", ErrCorrupt)
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: lies more than %d levels deep", ErrCorrupt, maxDepth)
	}
	return w.elements(step{depth: depth}, inline)
}

// freelist holds the list of free pages against those that are in use.
func (w *walk) freelist() error {
	if w.meta.freelist == noFreelist {
		return nil
	}
	b, err := w.read(w.meta.freelist)
	if err != nil {
		return fmt.Errorf("list of free pages: %w", err)
	}
	order := binary.LittleEndian
	if flags := order.Uint16(b[8:]); flags != freelistPage {
		return fmt.Errorf("%w: page %d is no list of free pages (flags %#x)", ErrCorrupt, w.meta.freelist, flags)
	}
	count, ids := uint64(order.Uint16(b[10:])), b[pageHeader:]
	if count == manyFree {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return fmt.Errorf("%w: %d free pages are listed in %d bytes", ErrCorrupt, count, len(ids))
	}
	for i := range count {
		if err := w.take(order.Uint64(ids[8*i:])); err != nil {
			return fmt.Errorf("list of free pages: %w", err)
		}
	}
	return nil
}
