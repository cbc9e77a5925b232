package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nachtfach/nachtfach/city"
	"github.com/nachtfach/nachtfach/city/console"
	"github.com/nachtfach/nachtfach/city/record"
)

// serveConsole runs the city with its admins' pages; if one ends, both do.
func (s settings) serveConsole(ctx context.Context, c *city.City, log *slog.Logger) error {
	folder := filepath.Dir(s.Record)
	token, err := keptToken(filepath.Join(folder, "console.token"))
	if err != nil {
		return fmt.Errorf("the console's token: %w", err)
	}
	pages, err := console.Listen(console.Config{
		City: c, Unknown: record.ErrUnknown, Addr: s.Console.Listen, Hosts: s.Console.Hosts,
		Token: token, Zone: time.Local, Now: time.Now, Logger: log,
	})
	if err != nil {
		return err
	}
	address := filepath.Join(folder, "console.url")
	if err := os.WriteFile(address, []byte(pages.URL()+"\n"), 0o600); err != nil {
		return errors.Join(err, pages.Close())
	}
	log.Info("the console is up", "address", address)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- pages.Serve(ctx)
		cancel()
	}()
	err = c.Run(ctx)
	cancel()
	if page := <-served; !errors.Is(page, context.Canceled) {
		return page
	}
	return err
}

// keptToken reads the token, or makes it: a browser that was let in stays so
// over a restart. Deleting the file locks all of them out.
func keptToken(path string) (string, error) {
	token, err := secretFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		token = rand.Text()
		return token, writeNew(path, token+"\n")
	}
	return token, err
}
