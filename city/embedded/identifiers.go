package embedded

import (
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// identifiers lets a client subscribe and unsubscribe under any packet
// identifier. Client and server number their packets independently (MQTT 3.1.1,
// 2.3.1). The server (2.7.9) looks for the client's identifier among its own
// unacknowledged messages and refuses the subscription if it finds one. So the
// message of the same number is taken away while the packet is processed.
type identifiers struct {
	mqtt.HookBase
	mu   sync.Mutex
	away map[*mqtt.Client]packets.Packet
}

func (*identifiers) ID() string { return "identifiers" }

func (*identifiers) Provides(hook byte) bool {
	switch hook {
	case mqtt.OnSubscribe, mqtt.OnUnsubscribe, mqtt.OnSubscribed, mqtt.OnUnsubscribed, mqtt.OnDisconnect:
		return true
	}
	return false
}

func (h *identifiers) OnSubscribe(client *mqtt.Client, p packets.Packet) packets.Packet {
	h.take(client, p.PacketID)
	return p
}

func (h *identifiers) OnUnsubscribe(client *mqtt.Client, p packets.Packet) packets.Packet {
	h.take(client, p.PacketID)
	return p
}

func (h *identifiers) OnSubscribed(client *mqtt.Client, _ packets.Packet, _ []byte) {
	h.putBack(client)
}

func (h *identifiers) OnUnsubscribed(client *mqtt.Client, _ packets.Packet) { h.putBack(client) }

func (h *identifiers) OnDisconnect(client *mqtt.Client, _ error, _ bool) { h.putBack(client) }

func (h *identifiers) take(client *mqtt.Client, id uint16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if waiting, ok := client.State.Inflight.Get(id); ok {
		client.State.Inflight.Delete(id)
		h.away[client] = waiting
	}
}

func (h *identifiers) putBack(client *mqtt.Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if waiting, ok := h.away[client]; ok {
		client.State.Inflight.Set(waiting)
		delete(h.away, client)
	}
}
