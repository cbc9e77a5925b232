// Package protocol measures the fingerprint engine on folders of images, in the
// way of the fingerprint verification contests (Maio et al., "FVC2000", PAMI
// 24(3), 2002): every pair of impressions of one finger is a genuine
// comparison, every pair across the fingers of one folder an impostor one.
//
// Images are named FINGER_IMPRESSION.png or .pgm. A folder with such images is
// a database; databases are never compared with each other.
//
// The package promises rows in the same order, and with the same scores, on
// every run. It leaves printing and judging to its callers.
package protocol

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/nachtfach/nachtfach/biometrics"
)

// Image is one impression.
type Image struct {
	Path   string
	Name   string // FINGER_IMPRESSION
	Finger string
}

// Database is a folder of images.
type Database struct {
	Name   string // path below the root it was found under, with slashes
	Images []Image
}

// Row is a comparison.
type Row struct {
	Database, Probe, Candidate string
	Score                      biometrics.Score
}

// Genuine tells whether both are impressions of one finger.
func (r Row) Genuine() bool { return finger(r.Probe) == finger(r.Candidate) }

func finger(name string) string { return name[:max(strings.LastIndexByte(name, '_'), 0)] }

// Find looks for databases in and below each root. A root that is itself a
// database goes by its own name; databases of several roots whose names would be
// the same go by a longer part of their paths. The same folder twice is an error.
func Find(roots ...string) ([]Database, error) {
	var all []Database
	var folders []string // absolute path of each
	for _, root := range roots {
		found, err := imagesBelow(root)
		if err != nil {
			return nil, fmt.Errorf("look for images in %s: %w", root, err)
		}
		for folder, images := range found {
			whole, err := filepath.Abs(folder)
			if err != nil {
				return nil, fmt.Errorf("look for images in %s: %w", root, err)
			}
			if slices.Contains(folders, whole) {
				return nil, fmt.Errorf("%s: given twice", folder)
			}
			slices.SortFunc(images, func(a, b Image) int { return cmp.Compare(a.Name, b.Name) })
			all = append(all, Database{databaseName(root, folder), images})
			folders = append(folders, whole)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no FINGER_IMPRESSION.png in %s", strings.Join(roots, ", "))
	}
	tellApart(all, folders)
	slices.SortFunc(all, func(a, b Database) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// imagesBelow returns the images in and below a folder, by the folder they are in.
func imagesBelow(root string) (map[string][]Image, error) {
	folders := map[string][]Image{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		extension := strings.ToLower(filepath.Ext(path))
		name := strings.TrimSuffix(entry.Name(), filepath.Ext(path))
		if !entry.IsDir() && (extension == ".png" || extension == ".pgm") && finger(name) != "" {
			folder := filepath.Dir(path)
			folders[folder] = append(folders[folder], Image{path, name, finger(name)})
		}
		return nil
	})
	return folders, err
}

// Only keeps the databases whose name begins with one of the prefixes; all if
// there is none.
func Only(databases []Database, prefixes ...string) []Database {
	if len(prefixes) == 0 {
		return databases
	}
	return slices.DeleteFunc(databases, func(d Database) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(d.Name, p) })
	})
}

func databaseName(root, folder string) string {
	if name, err := filepath.Rel(root, folder); err == nil && name != "." {
		return filepath.ToSlash(name)
	}
	if whole, err := filepath.Abs(folder); err == nil {
		folder = whole
	}
	return filepath.Base(folder)
}

// tellApart lengthens names that are the same, by one folder above at a time.
func tellApart(all []Database, folders []string) {
	for {
		count := map[string]int{}
		for _, d := range all {
			count[d.Name]++
		}
		if len(count) == len(all) {
			return
		}
		for i, d := range all {
			if count[d.Name] > 1 {
				above := strings.Split(strings.TrimSuffix(filepath.ToSlash(folders[i]), "/"+d.Name), "/")
				all[i].Name = above[len(above)-1] + "/" + d.Name
			}
		}
	}
}

// Options of a run; the zero value is usable.
type Options struct {
	DPI     float64 // of images that do not say; 0: 500
	Workers int     // 0: one a processor

	Crop  int  // use the middle Crop × Crop pixels of each image; 0: all
	Plain bool // compare minutiae alone

	// Progress, if not nil, is called after each extraction and comparison, by
	// one goroutine at a time.
	Progress func(done, total int)
}

// ReadImage reads an image of 8-bit grey; dpi is for files that do not say.
func ReadImage(path string, dpi float64) (biometrics.Image, error) {
	file, err := os.Open(path)
	if err != nil {
		return biometrics.Image{}, err
	}
	defer file.Close()
	img, err := biometrics.DecodeImage(file, dpi)
	if err != nil {
		return biometrics.Image{}, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// LoadImage reads an image and extracts its template.
func LoadImage(path string, dpi float64) (*biometrics.Template, error) {
	return Options{DPI: dpi}.load(path)
}

func (o Options) load(path string) (*biometrics.Template, error) {
	img, err := ReadImage(path, o.DPI)
	if err != nil {
		return nil, err
	}
	if o.Crop > 0 {
		img = crop(img, o.Crop, filepath.Base(path))
	}
	t, err := biometrics.Extract(img)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if o.Plain {
		t = t.Plain()
	}
	return t, nil
}

// Run extracts every image and compares every pair within each database. It
// stops at the first image that gives no template, or when ctx ends.
func Run(ctx context.Context, databases []Database, opts Options) ([]Row, error) {
	opts.DPI = cmp.Or(opts.DPI, 500)
	var images []Image
	var pairs [][2]int
	var rows []Row
	for _, db := range databases {
		first := len(images)
		images = append(images, db.Images...)
		for i := first; i < len(images); i++ {
			for j := i + 1; j < len(images); j++ {
				pairs = append(pairs, [2]int{i, j})
				rows = append(rows, Row{Database: db.Name, Probe: images[i].Name, Candidate: images[j].Name})
			}
		}
	}
	w := &workers{opts: opts, total: len(images) + len(pairs)}
	templates := make([]*biometrics.Template, len(images))
	err := w.each(ctx, len(images), func(i int) (err error) {
		templates[i], err = opts.load(images[i].Path)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = w.each(ctx, len(pairs), func(i int) error {
		rows[i].Score = biometrics.Compare(templates[pairs[i][0]], templates[pairs[i][1]])
		return nil
	})
	return rows, err
}

// workers does a counted number of jobs in parallel, and tells of progress.
type workers struct {
	opts        Options
	mu          sync.Mutex
	done, total int
	err         error
}

func (w *workers) each(ctx context.Context, n int, job func(i int) error) error {
	jobs := make(chan int)
	var group sync.WaitGroup
	for range cmp.Or(w.opts.Workers, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := range jobs {
				w.finish(job(i))
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil || w.failed() {
			break
		}
		jobs <- i
	}
	close(jobs)
	group.Wait()
	return cmp.Or(w.err, ctx.Err())
}

func (w *workers) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

func (w *workers) finish(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done++
	w.err = cmp.Or(w.err, err)
	if w.opts.Progress != nil {
		w.opts.Progress(w.done, w.total)
	}
}
