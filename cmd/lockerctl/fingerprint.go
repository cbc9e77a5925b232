package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

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
	accept := flags.Float64("fmr", 1e-4, "")
	given, err := parse(flags, args, "PROBE", "CANDIDATE")
	if err != nil {
		return err
	}
	if !(*accept > 0 && *accept < 1) {
		return misused("-fmr %g is no false match rate between 0 and 1", *accept)
	}
	score, err := compareFiles(given[0], given[1], *dpi)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(t.stdout).Encode(struct {
			Similarity float64 `json:"similarity"`
			FMR        float64 `json:"fmr"`
			Match      bool    `json:"match"`
		}{score.Similarity, score.FMR, score.FMR <= *accept})
	}
	verdict := "no match"
	if score.FMR <= *accept {
		verdict = "match"
	}
	return t.print("similarity %.3f, false match rate %.2g: %s\n", score.Similarity, score.FMR, verdict)
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
	return t.describe(template)
}

// progressBar returns what draws a bar on standard error, once a percent; nil
// if that is no terminal, where a bar would be a heap of lines.
func (t tool) progressBar() func(done, total int) {
	file, ok := t.stderr.(*os.File)
	if !ok {
		return nil
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(done, total int) {
		if done*100/total > (done-1)*100/total {
			fmt.Fprint(file, bar(done, total))
		}
	}
}

// bar is a line of text for a terminal; the last one goes to the next line.
func bar(done, total int) string {
	const width = 40
	full := done * width / total
	line := fmt.Sprintf("\r[%s%s] %3d %%", strings.Repeat("#", full), strings.Repeat(".", width-full), done*100/total)
	if done == total {
		line += "\n"
	}
	return line
}

func (t tool) score(ctx context.Context, flags *flag.FlagSet, args []string) error {
	out, dpi := flags.String("o", "", ""), flags.Float64("dpi", 500, "")
	crop, plain := flags.Int("crop", 0, ""), flags.Bool("plain", false, "")
	only := flags.String("only", "", "")
	given, err := parse(flags, args, "DIR…")
	if err != nil {
		return err
	}
	if err := require(flags, "o"); err != nil {
		return err
	}
	if *crop != 0 && *crop < biometrics.MinSide {
		return misused("-crop %d: no picture of a finger is below %d pixels", *crop, biometrics.MinSide)
	}
	databases, err := protocol.Find(given...)
	if err != nil {
		return err
	}
	if *only != "" {
		if databases = protocol.Only(databases, strings.Split(*only, ",")...); len(databases) == 0 {
			return misused("-only %s: no set of images has such a name", *only)
		}
	}
	rows, err := protocol.Run(ctx, databases, protocol.Options{DPI: *dpi, Crop: *crop, Plain: *plain, Progress: t.progressBar()})
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

// curves draws the error rates of scores that were written before.
func (t tool) curves(_ context.Context, flags *flag.FlagSet, args []string) error {
	out, only := flags.String("o", "", ""), flags.String("only", "", "")
	given, err := parse(flags, args, "NAME=SCORES…")
	if err != nil {
		return err
	}
	if err := require(flags, "o"); err != nil {
		return err
	}
	var curves []protocol.Curve
	for _, arg := range given {
		name, path, ok := strings.Cut(arg, "=")
		if !ok {
			return misused("%q is not NAME=SCORES", arg)
		}
		rows, err := readScores(path)
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(r protocol.Row) bool { return !strings.HasPrefix(r.Database, *only) })
		curves = append(curves, protocol.Curve{Name: name, Rows: rows})
	}
	var picture bytes.Buffer
	if err := protocol.DrawDET(&picture, curves); err != nil {
		return err
	}
	return replace(*out, picture.Bytes())
}

func readScores(path string) ([]protocol.Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := protocol.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}
