package journal

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
)

// MaxEvent is the largest event in bytes as it is stored and published.
const MaxEvent = 256 << 10

// timeLayout is RFC 3339 with all nine digits, so that equal times are equal texts.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// cloudEvent is CloudEvents 1.0.2 in the JSON format's structured mode. salt,
// clock and training (left out unless true) are extensions of ours, sequence is the CloudEvents extension of
// that name: decimal, 20 digits wide, so that it sorts as text.
type cloudEvent struct {
	SpecVersion     string             `json:"specversion"`
	ID              string             `json:"id"`
	Source          string             `json:"source"`
	Type            string             `json:"type"`
	Time            string             `json:"time"`
	DataContentType string             `json:"datacontenttype"`
	Sequence        string             `json:"sequence"`
	Salt            string             `json:"salt"`
	Clock           locker.TimeQuality `json:"clock"`
	Training        bool               `json:"training,omitempty"`
	Data            json.RawMessage    `json:"data"`
}

// encode makes the bytes of an event. Its 128-bit salt keeps a body that was
// pruned from being guessed from its hash.
func encode(sequence uint64, from string, e locker.Event, entropy io.Reader) ([]byte, error) {
	if e.Fact == nil {
		return nil, fmt.Errorf("event %d: has no fact", sequence)
	}
	t := e.Time.UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		return nil, fmt.Errorf("event %d: the year %d cannot be written", sequence, y)
	}
	data, err := json.Marshal(e.Fact)
	if err != nil {
		return nil, fmt.Errorf("event %d: encode %s: %w", sequence, e.Fact.Type(), err)
	}
	var salt [16]byte
	if _, err := io.ReadFull(entropy, salt[:]); err != nil {
		return nil, fmt.Errorf("event %d: draw salt: %w", sequence, err)
	}
	body, err := json.Marshal(cloudEvent{
		SpecVersion:     "1.0",
		ID:              strconv.FormatUint(sequence, 10),
		Source:          from,
		Type:            e.Fact.Type(),
		Time:            t.Format(timeLayout),
		DataContentType: "application/json",
		Sequence:        fmt.Sprintf("%020d", sequence),
		Salt:            hex.EncodeToString(salt[:]),
		Clock:           e.Quality,
		Training:        e.Training,
		Data:            data,
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("event %d: encode: %w", sequence, err)
	case len(body) > MaxEvent:
		return nil, fmt.Errorf("event %d: %s has %d bytes, at most %d are allowed", sequence, e.Fact.Type(), len(body), MaxEvent)
	}
	return body, nil
}

// LogID names a log by the device key that began it (see Config.Log), so that no
// two events of a terminal have the same source and id: the board that replaces a
// dead one begins a new log at event 0.
func LogID(begins note.Signer) string {
	return fmt.Sprintf("%08x", begins.KeyHash())
}

// source is "/terminal/<id>/<log>".
func source(terminal, log string) string {
	if log == "" {
		return "/terminal/" + terminal
	}
	return "/terminal/" + terminal + "/" + log
}

var logPart = regexp.MustCompile(`^(/[0-9a-f]{8})?$`)

// isSource tells whether this is the source of one of the terminal's logs.
func isSource(from, terminal string) bool {
	log, ok := strings.CutPrefix(from, "/terminal/"+terminal)
	return ok && logPart.MatchString(log)
}

// Decode reads the bytes of one event: its number in the log, its source
// "/terminal/<id>/<log>" and the event. A type that this version does not know is an error.
func Decode(body []byte) (sequence uint64, from string, e locker.Event, err error) {
	c, sequence, err := decodeEnvelope(body)
	if err != nil {
		return 0, "", locker.Event{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, c.Time)
	if err != nil {
		return 0, "", locker.Event{}, fmt.Errorf("event %d: %w", sequence, err)
	}
	fact, err := locker.DecodeFact(c.Type, c.Data)
	if err != nil {
		return 0, "", locker.Event{}, fmt.Errorf("event %d: %w", sequence, err)
	}
	return sequence, c.Source, locker.Event{Time: t.UTC(), Quality: c.Clock, Training: c.Training, Fact: fact}, nil
}

// decodeEnvelope reads all but what the event says.
func decodeEnvelope(body []byte) (cloudEvent, uint64, error) {
	var c cloudEvent
	if err := json.Unmarshal(body, &c); err != nil {
		return c, 0, fmt.Errorf("decode event: %w", err)
	}
	if c.SpecVersion != "1.0" {
		return c, 0, fmt.Errorf("decode event: specversion %q, wants 1.0", c.SpecVersion)
	}
	sequence, err := strconv.ParseUint(c.Sequence, 10, 64)
	if err != nil {
		return c, 0, fmt.Errorf("decode event: sequence %q is no number", c.Sequence)
	}
	return c, sequence, nil
}
