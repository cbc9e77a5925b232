package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/biometrics/protocol"
)

func (t tool) extract(_ context.Context, flags *flag.FlagSet, args []string) error {
	out, dpi := flags.String("o", "", ""), flags.Float64("dpi", 500, "")
	plain := flags.Bool("plain", false, "")
	given, err := parse(flags, args, "IMAGE")
	if err != nil {
		return err
	}
	if err := require(flags, "o"); err != nil {
		return err
	}
	template, err := protocol.LoadImage(given[0], *dpi)
	if err != nil {
		return err
	}
	if *plain {
		template = template.Plain()
	}
	record, err := template.MarshalBinary()
	if err != nil {
		return fmt.Errorf("%s: %w", given[0], err)
	}
	return replace(*out, record) // it shows much of a finger: mode 0600
}

// isRecord tells a template from a picture by the format identifier of
// ISO/IEC 19794-2:2005, 7.3.1.
func isRecord(data []byte) bool { return bytes.HasPrefix(data, []byte("FMR\x00")) }

// loadProbe reads a picture or a template of one view.
func loadProbe(path string, dpi float64) (*biometrics.Template, error) {
	record, err := readRecord(path)
	if err != nil {
		return nil, err
	}
	if record == nil {
		return protocol.LoadImage(path, dpi)
	}
	template, err := biometrics.ParseTemplate(record)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return template, nil
}

// readRecord reads a template's file; nil if it is none, but maybe a picture.
func readRecord(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 4)
	if n, _ := f.Read(head); !isRecord(head[:n]) {
		return nil, nil
	}
	return readFile(path)
}

// compareFiles compares a probe with a candidate, which may hold several
// impressions of a finger.
func compareFiles(probe, candidate string, dpi float64) (biometrics.Score, error) {
	p, err := loadProbe(probe, dpi)
	if err != nil {
		return biometrics.Score{}, err
	}
	record, err := readRecord(candidate)
	if err != nil {
		return biometrics.Score{}, err
	}
	if record == nil {
		c, err := protocol.LoadImage(candidate, dpi)
		return biometrics.Compare(p, c), err
	}
	enrolment, err := biometrics.ParseEnrolment(record)
	if err != nil {
		return biometrics.Score{}, fmt.Errorf("%s: %w", candidate, err)
	}
	return enrolment.Compare(p), nil
}

func (t tool) compare(_ context.Context, flags *flag.FlagSet, args []string) error {
	dpi, asJSON := flags.Float64("dpi", 500, ""), flags.Bool("json", false, "")
	given, err := parse(flags, args, "PROBE", "CANDIDATE")
	if err != nil {
		return err
	}
	score, err := compareFiles(given[0], given[1], *dpi)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(t.stdout).Encode(struct {
			Similarity float64 `json:"similarity"`
			FMR        float64 `json:"fmr"`
		}{score.Similarity, score.FMR})
	}
	return t.print("similarity %.3f, false match rate %.2g\n", score.Similarity, score.FMR)
}

func (t tool) quality(_ context.Context, flags *flag.FlagSet, args []string) error {
	dpi, asJSON := flags.Float64("dpi", 500, ""), flags.Bool("json", false, "")
	given, err := parse(flags, args, "IMAGE")
	if err != nil {
		return err
	}
	template, err := loadProbe(given[0], *dpi)
	if err != nil {
		return err
	}
	q, minutiae := template.Quality(), len(template.Minutiae())
	if *asJSON {
		return json.NewEncoder(t.stdout).Encode(struct {
			Quality  int    `json:"quality"`
			Reason   string `json:"reason"`
			Minutiae int    `json:"minutiae"`
		}{q.Score, q.Reason.String(), minutiae})
	}
	return t.print("quality %d of 100 (%s), %d minutiae\n", q.Score, q.Reason, minutiae)
}

func (t tool) score(ctx context.Context, flags *flag.FlagSet, args []string) error {
	out, dpi := flags.String("o", "", ""), flags.Float64("dpi", 500, "")
	given, err := parse(flags, args, "DIR…")
	if err != nil {
		return err
	}
	if err := require(flags, "o"); err != nil {
		return err
	}
	databases, err := protocol.Find(given...)
	if err != nil {
		return err
	}
	rows, err := protocol.Run(ctx, databases, protocol.Options{DPI: *dpi})
	if err != nil {
		return err
	}
	f, err := os.Create(*out)
	if err != nil {
		return err
	}
	if err := errors.Join(protocol.Write(f, rows), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", *out, err)
	}
	r := protocol.Evaluate(rows)
	return t.print("%d genuine, %d impostor comparisons\nEER %.2f %%, FNMR at FMR 1 %% %.2f %%, 0.1 %% %.2f %%, 0.01 %% %.2f %%\n",
		r.Genuine, r.Impostor, 100*r.EER, 100*r.FNMR100, 100*r.FNMR1000, 100*r.FNMR10000)
}
