package firmwaresim_test

import (
	"encoding/hex"
	"io"
	"net"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
)

func newBoards(t testing.TB, compartments, perBoard int) (*firmwaresim.Wall, *firmwaresim.Boards) {
	t.Helper()
	wall, err := firmwaresim.NewWall(compartments, newStepClock())
	if err != nil {
		t.Fatal(err)
	}
	boards, err := firmwaresim.NewBoards(wall, perBoard)
	if err != nil {
		t.Fatal(err)
	}
	return wall, boards
}

func ask(t *testing.T, b *firmwaresim.Boards, frame string) string {
	t.Helper()
	in, err := hex.DecodeString(frame)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b.Answer(in))
}

// The frames are worked examples for unit 17 that are found in many manuals;
// their CRC is not computed by the code under test.
func TestFramesOfTheManualsAreUnderstood(t *testing.T) {
	_, boards := newBoards(t, 17*56, 56)
	for frame, want := range map[string]string{
		"11010013" + "0025" + "0e84": "1101" + "05" + "0000000000", // coils 19 to 55
		"110200c4" + "0016" + "baa9": "1182" + "02",                // inputs 196 on: beyond the board
		"110500ac" + "ff00" + "4e8b": "1185" + "02",                // coil 172: beyond the board
	} {
		got := ask(t, boards, frame)
		if len(got) != len(want)+4 || got[:len(want)] != want {
			t.Errorf("%s: answered %s, want %s and a CRC", frame, got, want)
		}
	}
}

func TestDamagedAndForeignFramesAreNotAnswered(t *testing.T) {
	_, boards := newBoards(t, 15*56, 56) // unit 17 does not exist
	for _, frame := range []string{"", "11", "110100130025", "1101001300250e84", "1101001300250e85", "1101001300250e8400"} {
		if got := ask(t, boards, frame); got != "" {
			t.Errorf("%s: answered %s", frame, got)
		}
	}
}

func TestUnknownFunctionsAndValuesAreRefused(t *testing.T) {
	_, boards := newBoards(t, 17*8, 8)
	for request, want := range map[string]string{
		"1104006b0003":     "118401", // read input registers
		"1103006b0003":     "118302", // no such relay
		"110600010300":     "118603", // toggle
		"110500001234":     "118503", // neither on nor off
		"110100000000":     "118103", // no coils
		"1101000007d1":     "118103", // 2001 coils
		"110f0000000a02cd": "118f03", // fewer bytes than announced
		"110f000f00020103": "118f02", // over the end of the board
		"110100100001":     "118102",
		"1101ffffffff":     "118103",
		"110f":             "118f03",
		"110200":           "118203",
		"1105":             "118503",
	} {
		got := ask(t, boards, sealed(t, request))
		if len(got) != 10 || got[:6] != want {
			t.Errorf("%s: answered %s, want %s", request, got, want)
		}
	}
}

// sealed appends the CRC, computed bit by bit from the polynomial x^16 + x^15 +
// x^2 + 1 in its textbook form on reflected input.
func sealed(t *testing.T, request string) string {
	t.Helper()
	b, err := hex.DecodeString(request)
	if err != nil {
		t.Fatal(err)
	}
	register := uint32(0xFFFF)
	for _, v := range b {
		for i := range 8 {
			in := uint32(v>>i) & 1
			out := register >> 15 & 1
			register = register << 1 & 0xFFFF
			if in != out {
				register ^= 0x8005
			}
		}
	}
	var crc uint16
	for i := range 16 {
		crc |= uint16(register>>i&1) << (15 - i)
	}
	return hex.EncodeToString(append(b, byte(crc), byte(crc>>8)))
}

func TestManyCoilsAreWrittenAndReadBack(t *testing.T) {
	wall, boards := newBoards(t, 17*16, 16)
	request := "110f0002000a02" + "cd01" // ten coils from 2: 1011 0011 10
	if got := ask(t, boards, sealed(t, request)); got != sealed(t, "110f0002000a") {
		t.Errorf("answered %s", got)
	}
	if got := ask(t, boards, sealed(t, "11010002000a")); got != sealed(t, "110102"+"cd01") {
		t.Errorf("read back %s", got)
	}
	for i, on := range []bool{false, false, true, false, true, true, false, false, true, true, true} {
		if d, err := wall.Door(16*16 + i + 1); err != nil || d.Coil != on {
			t.Errorf("coil %d: %+v, %v", i, d, err)
		}
	}
	if _, count := wall.Faults(); count == 0 {
		t.Error("six coils together are no fault")
	}
}

func TestABroadcastIsObeyedAndNotAnswered(t *testing.T) {
	wall, boards := newBoards(t, 16, 8)
	if got := ask(t, boards, sealed(t, "00050003ff00")); got != "" {
		t.Errorf("answered %s", got)
	}
	for _, d := range wall.Doors() {
		if want := d.Number == 4 || d.Number == 12; d.Coil != want {
			t.Errorf("door %+v", d)
		}
	}
}

func FuzzBoards(f *testing.F) {
	for _, text := range []string{"", "1101001300250e84", "110200c40016baa9", "00050003ff00", "110f0002000a02cd01"} {
		b, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, boards := newBoards(t, 20, 8)
		// Once as it came, once with the right CRC, so that the parser is reached.
		for _, frame := range [][]byte{frame, mustDecode(t, sealed(t, hex.EncodeToString(frame)))} {
			answer := boards.Answer(frame)
			switch {
			case len(answer) == 0:
			case len(answer) > 256:
				t.Fatalf("an answer of %d bytes", len(answer))
			case answer[0] != frame[0] || answer[1]&0x7F != frame[1]&0x7F:
				t.Fatalf("%x answered by %x", frame, answer)
			}
		}
	})
}

func mustDecode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFramesEndWithTheirLengthOrWithSilence(t *testing.T) {
	_, boards := newBoards(t, 8, 8)
	master, slave := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- boards.Serve(slave) }()
	read, write := sealed(t, "010100000008"), sealed(t, "01050002ff00")
	for _, step := range []struct{ what, say, want string }{
		{"a whole frame", read, sealed(t, "01010100")},
		{"a function of unknown length", sealed(t, "010400000001"), sealed(t, "018401")},
		{"noise, then silence", "ffff00", ""},
		{"half a frame, then silence", write[:8], ""},
		{"a whole frame again", write, write},
	} {
		if _, err := master.Write(mustDecode(t, step.say)); err != nil {
			t.Fatal(err)
		}
		if step.want == "" {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err := master.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, len(step.want)/2)
		if _, err := io.ReadFull(master, answer); err != nil || hex.EncodeToString(answer) != step.want {
			t.Fatalf("%s: answered %x, %v, want %s", step.what, answer, err, step.want)
		}
	}
	master.Close()
	if err := <-done; err == nil {
		t.Error("Serve ended without an error")
	}
}
