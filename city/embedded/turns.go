package embedded

import (
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// turns lets one at a time store or look up retained messages: the server's
// index of topics is read without the lock under which it is written (2.7.9).
// A lookup lasts from the subscription to the end of its packet, storing from
// the message or the last will to the word that it is stored. Delayed wills
// (MQTT 5) would be stored without the first; no client here speaks that.
type turns struct {
	mqtt.HookBase
	mu sync.Mutex
}

func (*turns) ID() string { return "turns" }

func (*turns) Provides(hook byte) bool {
	switch hook {
	case mqtt.OnSubscribed, mqtt.OnPacketProcessed, mqtt.OnPublish, mqtt.OnWill, mqtt.OnRetainMessage:
		return true
	}
	return false
}

func (t *turns) OnSubscribed(client *mqtt.Client, _ packets.Packet, _ []byte) {
	if !client.Net.Inline { // Broker.Watch and Broker.Retained take their turn themselves
		t.mu.Lock()
	}
}

func (t *turns) OnPacketProcessed(_ *mqtt.Client, p packets.Packet, _ error) {
	if p.FixedHeader.Type == packets.Subscribe {
		t.mu.Unlock()
	}
}

func (t *turns) OnPublish(_ *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	if p.FixedHeader.Retain {
		t.mu.Lock()
	}
	return p, nil
}

func (t *turns) OnWill(_ *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	if will.Retain {
		t.mu.Lock()
	}
	return will, nil
}

func (t *turns) OnRetainMessage(*mqtt.Client, packets.Packet, int64) { t.mu.Unlock() }
