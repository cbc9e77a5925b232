package vault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// medium is where slot files lie: [system], or in tests one that forgets at a
// power cut what was not synced.
type medium interface {
	create(pattern string) (mediumFile, error) // as os.CreateTemp, with the folder in the pattern
	open(path string) (mediumFile, error)
	rename(from, to string) error
	remove(path string) error
	glob(pattern string) ([]string, error)
	syncFolder(path string) error
}

// mediumFile is one open file.
type mediumFile interface {
	io.ReaderAt
	io.WriterAt
	io.Writer
	io.Closer
	Sync() error
	Name() string
	size() (int64, error)
}

// system is the machine's file system.
type system struct{}

type systemFile struct{ *os.File }

func (f systemFile) size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (system) create(pattern string) (mediumFile, error) {
	f, err := os.CreateTemp(filepath.Dir(pattern), filepath.Base(pattern)) // mode 0600
	if err != nil {
		return nil, err
	}
	return systemFile{f}, nil
}

func (system) open(path string) (mediumFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return systemFile{f}, nil
}

func (system) rename(from, to string) error          { return os.Rename(from, to) }
func (system) remove(path string) error              { return os.Remove(path) }
func (system) glob(pattern string) ([]string, error) { return filepath.Glob(pattern) }

func (system) syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
