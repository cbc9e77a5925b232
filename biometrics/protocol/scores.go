package protocol

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/nachtfach/nachtfach/biometrics"
)

// Write writes rows as database,probe,candidate,score, the score being the
// similarity.
func Write(out io.Writer, rows []Row) error {
	w := csv.NewWriter(out)
	for _, r := range rows {
		record := []string{r.Database, r.Probe, r.Candidate, strconv.FormatFloat(r.Score.Similarity, 'g', 8, 64)}
		if err := w.Write(record); err != nil {
			return fmt.Errorf("write scores: %w", err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("write scores: %w", err)
	}
	return nil
}

// Read reads what Write wrote. False match rates are those that the
// similarities stand for, as biometrics.Score has it.
func Read(in io.Reader) ([]Row, error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord = 4
	var rows []Row
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read scores: %w", err)
		}
		similarity, err := strconv.ParseFloat(record[3], 64)
		if err != nil || math.IsNaN(similarity) {
			return nil, fmt.Errorf("read scores: row %d: %q is no score", len(rows)+1, record[3])
		}
		fmr := math.Min(math.Pow(10, -similarity), 1)
		rows = append(rows, Row{record[0], record[1], record[2], biometrics.Score{Similarity: similarity, FMR: fmr}})
	}
}
