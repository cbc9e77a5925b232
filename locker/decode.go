package locker

import (
	"encoding/json"
	"fmt"
	"slices"
)

// decoders gives for each type the way back from its JSON.
var decoders = decodersOf(
	decoder[TerminalBooted], decoder[TerminalConfigured], decoder[ClockMarked], decoder[ClockSet], decoder[ClockConfirmed],
	decoder[AlarmRaised], decoder[AlarmCleared],
	decoder[CommandFollowed], decoder[CommandRefused], decoder[TerminalDiagnosed], decoder[BurglaryDeclared],
	decoder[ClerkCharged], decoder[ClerkUnblocked],
	decoder[TerminalAdopted], decoder[DeviceRekeyed], decoder[InventoryOrdered], decoder[CompartmentInspected],
	decoder[KeyOpeningAnnounced], decoder[KeyOpeningEnded],
	decoder[RosterAccepted], decoder[MessageRefused], decoder[ClerkAdmitted], decoder[ClerkRefused],
	decoder[RoundOpened], decoder[RoundConfirmed], decoder[RoundInterrupted],
	decoder[KeysOffered], decoder[KeyLapsed], decoder[KeyErased],
	decoder[OrderAccepted], decoder[OrderWithdrawn], decoder[OrderErased],
	decoder[LetterPosted], decoder[LetterDeleted],
	decoder[DepositReserved], decoder[DepositPrepared], decoder[DepositAbandoned], decoder[DocumentLaid],
	decoder[DepositLoaded], decoder[DepositReissued], decoder[DepositExpired], decoder[DocumentTaken],
	decoder[DocumentUnconfirmed], decoder[DocumentDisputed], decoder[DocumentUnloaded], decoder[DocumentMissing], decoder[CustodyDoubted],
	decoder[SlotErased], decoder[RootReplaced],
	decoder[CodeRefused], decoder[CodeCharged], decoder[CodeFailed], decoder[CodeProved],
	decoder[FactorCharged], decoder[FactorCompared], decoder[PresentationRefused], decoder[FactorClosed], decoder[PINLetterConfirmed],
	decoder[CompartmentReleased], decoder[CompartmentOpened], decoder[CompartmentClosed],
	decoder[CompartmentCleared], decoder[CompartmentQuarantined], decoder[CompartmentFaulted],
	decoder[CompartmentRestored], decoder[SensorWaived],
	decoder[LockExercised], decoder[SensorTripped], decoder[SensorRested],
	decoder[AttemptsSuppressed], decoder[FlappingStarted], decoder[FlappingEnded],
)

type decode func(data []byte) (Fact, error)

func decoder[F Fact]() (string, decode) {
	var zero F
	return zero.Type(), func(data []byte) (Fact, error) {
		var f F
		if err := json.Unmarshal(data, &f); err != nil {
			return nil, err
		}
		return f, nil
	}
}

func decodersOf(all ...func() (string, decode)) map[string]decode {
	m := make(map[string]decode, len(all))
	for _, d := range all {
		name, f := d()
		m[name] = f
	}
	return m
}

// DecodeFact is the way back from a fact's CloudEvents type and its JSON. A
// type of a newer program is an error: a ledger that skipped it would be wrong.
func DecodeFact(typ string, data []byte) (Fact, error) {
	d, ok := decoders[typ]
	if !ok {
		return nil, fmt.Errorf("decode event: type %q is not known to this version", typ)
	}
	f, err := d(data)
	if err != nil {
		return nil, fmt.Errorf("decode event %s: %w", typ, err)
	}
	return f, nil
}

// FactTypes lists every type, sorted; contracts and tests hold themselves against it.
func FactTypes() []string {
	types := make([]string, 0, len(decoders))
	for t := range decoders {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}
