package embedded_test

import (
	"fmt"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/nachtfach/nachtfach/city/embedded"
)

// A client that subscribes while messages to it are on their way is not refused,
// whatever numbers the two sides give their packets.
func TestAClientSubscribesWhileMessagesAreUnderWay(t *testing.T) {
	b, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Stop() }()
	for i := range 8 {
		if err := b.Publish(fmt.Sprintf("held/%d", i), []byte("x"), true); err != nil {
			t.Fatal(err)
		}
	}
	got := make(chan mqtt.Message, 100)
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(b.URL()).SetClientID("c").SetAutoAckDisabled(true))
	wait := func(token mqtt.Token) {
		t.Helper()
		if !token.WaitTimeout(30*time.Second) || token.Error() != nil {
			t.Fatalf("no answer, or %v", token.Error())
		}
	}
	wait(client.Connect())
	defer client.Disconnect(0)
	keep := func(_ mqtt.Client, m mqtt.Message) { got <- m }
	wait(client.Subscribe("held/#", 1, keep))
	for range 8 {
		<-got // and acknowledges none
	}
	for i := range 6 {
		token := client.Subscribe(fmt.Sprintf("other/%d", i), 1, keep)
		wait(token)
		for filter, code := range token.(*mqtt.SubscribeToken).Result() {
			if code > 2 {
				t.Errorf("%s: refused with %#x", filter, code)
			}
		}
	}
}
