// Package topic names what terminal and city publish on. The contract is
// docs/asyncapi.yaml.
package topic

import "strings"

// Topic is the last part of an MQTT topic, after nachtfach/v1/<terminal>/.
type Topic string

// From the terminal.
const (
	Event      Topic = "event"      // one CloudEvent
	Checkpoint Topic = "checkpoint" // retained: signed note of the journal's tree
	State      Topic = "state"      // retained: snapshot
	Online     Topic = "online"     // retained, last will: true or false
	Keys       Topic = "keys"       // retained: signed list of unused order keys
	Letter     Topic = "letter"     // sealed and signed letter
)

// To the terminal.
const (
	Ack     Topic = "ack"     // retained: the city's signed note
	Order   Topic = "order"   // sealed order, or a withdrawal
	Roster  Topic = "roster"  // retained: signed roster
	Command Topic = "command" // signed command
	Posted  Topic = "posted"  // signed: the letter went out
)

const prefix = "nachtfach/v1/"

// Of is the whole topic for one terminal; "+" makes it a filter for all.
func (t Topic) Of(terminal string) string { return prefix + terminal + "/" + string(t) }

// Split takes a whole topic apart; ok is false for one that is not ours.
func Split(topic string) (terminal string, t Topic, ok bool) {
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return "", "", false
	}
	terminal, last, ok := strings.Cut(rest, "/")
	if !ok || !ValidTerminal(terminal) || strings.Contains(last, "/") {
		return "", "", false
	}
	return terminal, Topic(last), true
}

// ValidTerminal tells whether this can be a terminal's id: 1 to 40 of a–z, 0–9
// and hyphen, so that it fits into topics as it is.
func ValidTerminal(id string) bool {
	if len(id) < 1 || len(id) > 40 {
		return false
	}
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}
