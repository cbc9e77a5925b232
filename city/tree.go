package city

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/city/api"
)

// Verify computes a terminal's tree anew from every event held, from its hash
// where it was pruned, and holds it against the checkpoint that the device
// signed. The error names the first event that is wrong.
func (c *City) Verify(ctx context.Context, terminal string) (api.Tree, error) {
	t, err := c.record.Terminal(ctx, terminal)
	if err != nil {
		return api.Tree{}, err
	}
	edge := map[int64]tlog.Hash{}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = edge[index]
		}
		return hashes, nil
	})
	var n uint64
	add := func(leaf tlog.Hash) error {
		hashes, err := tlog.StoredHashesForRecordHash(int64(n), leaf, reader)
		if err != nil {
			return fmt.Errorf("verify %s: event %d: %w", terminal, n, err)
		}
		first := tlog.StoredHashIndex(0, int64(n))
		for i, h := range hashes {
			edge[first+int64(i)] = h
		}
		n++
		return nil
	}
	for n < t.Pruned {
		leaves, err := c.record.Pruned(ctx, terminal, n, 1000)
		if err == nil && len(leaves) == 0 {
			err = fmt.Errorf("verify %s: the hash of event %d is missing", terminal, n)
		}
		if err != nil {
			return api.Tree{}, err
		}
		for _, leaf := range leaves {
			if err := add(leaf); err != nil {
				return api.Tree{}, err
			}
		}
	}
	for n < t.Size {
		events, err := c.record.Events(ctx, terminal, n, 1000)
		if err != nil {
			return api.Tree{}, err
		}
		if len(events) == 0 {
			return api.Tree{}, fmt.Errorf("verify %s: event %d of %d is missing", terminal, n, t.Size)
		}
		for _, e := range events {
			if e.Sequence != n {
				return api.Tree{}, fmt.Errorf("verify %s: event %d is missing", terminal, n)
			}
			if err := add(tlog.RecordHash(e.Body)); err != nil {
				return api.Tree{}, err
			}
		}
	}
	tree, err := c.compare(ctx, terminal, t.Verifier, n, reader)
	tree.Pruned = t.Pruned
	return tree, err
}

func (c *City) compare(ctx context.Context, terminal, verifier string, n uint64, reader tlog.HashReader) (api.Tree, error) {
	root, err := tlog.TreeHash(int64(n), reader)
	if err != nil {
		return api.Tree{}, fmt.Errorf("verify %s: %w", terminal, err)
	}
	tree := api.Tree{Size: n, Root: root.String()}
	if n == 0 {
		return tree, nil
	}
	if tree.Checkpoint, err = c.record.Checkpoint(ctx, terminal); err != nil {
		return tree, err
	}
	v, err := deviceVerifier(verifier)
	if err != nil {
		return tree, err
	}
	origin, _, _ := strings.Cut(terminal, ".") // of a closed log
	size, signed, err := openCheckpoint(tree.Checkpoint, origin, v)
	switch {
	case err != nil:
		return tree, fmt.Errorf("verify %s: kept checkpoint: %w", terminal, err)
	case size != n:
		return tree, fmt.Errorf("verify %s: the kept checkpoint covers %d events, there are %d", terminal, size, n)
	case signed != root:
		return tree, fmt.Errorf("verify %s: the events' tree has root %v, the device signed %v", terminal, root, signed)
	}
	return tree, nil
}
