package locker

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// deepCopy is a copy of what p points to that shares nothing with it.
func deepCopy[T any](p *T) *T {
	n := new(T)
	copyInto(reflect.ValueOf(n).Elem(), reflect.ValueOf(p).Elem())
	return n
}

// copyInto copies addressable values; both may be read and set.
func copyInto(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Pointer:
		if from.IsNil() {
			return
		}
		n := reflect.New(from.Type().Elem())
		copyInto(n.Elem(), from.Elem())
		to.Set(n)
	case reflect.Struct:
		if from.Type() == reflect.TypeFor[time.Time]() {
			to.Set(from)
			return
		}
		for i := range from.NumField() {
			copyInto(field(to, i), field(from, i))
		}
	case reflect.Map:
		if from.IsNil() {
			return
		}
		m := reflect.MakeMapWithSize(from.Type(), from.Len())
		for each := from.MapRange(); each.Next(); {
			m.SetMapIndex(each.Key(), copied(each.Value()))
		}
		to.Set(m)
	case reflect.Slice:
		if from.IsNil() {
			return
		}
		s := reflect.MakeSlice(from.Type(), from.Len(), from.Len())
		for i := range from.Len() {
			copyInto(s.Index(i), from.Index(i))
		}
		to.Set(s)
	case reflect.Array:
		for i := range from.Len() {
			copyInto(to.Index(i), from.Index(i))
		}
	case reflect.Interface:
		if !from.IsNil() {
			to.Set(copied(from.Elem()))
		}
	default:
		to.Set(from)
	}
}

// copied is a copy of a value that has no address.
func copied(v reflect.Value) reflect.Value {
	from, to := reflect.New(v.Type()).Elem(), reflect.New(v.Type()).Elem()
	from.Set(v)
	copyInto(to, from)
	return to
}

// field is a field that may be read and set, also where it is not exported.
func field(v reflect.Value, i int) reflect.Value {
	f := v.Field(i)
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
}

// portrait writes a state so that two states have the same portrait if they
// differ in nothing but how far their counters have run and what the time is.
// Times of day are told as known or not; deadlines by how far away they are.
type portrait struct {
	text  []byte
	now   time.Duration
	names map[string]map[uint64]int // of numbers that are given out, by type: in order of appearance
}

type fingerprint [sha256.Size]byte

func portraitOf(now time.Duration, parts ...any) fingerprint {
	p := &portrait{text: make([]byte, 0, 8<<10), now: now, names: map[string]map[uint64]int{}}
	for _, part := range parts {
		v := reflect.ValueOf(part)
		p.draw(v.Elem())
	}
	return sha256.Sum256(p.text)
}

// unimportant fields count, or repeat what other fields say.
var unimportant = []string{
	"Config", "Boot", "Time", "Alarm", "number", "Number", "check", "Check", "shown", "clock", "software", "refused", "RefusedAt",
	"Incident", "Incidents", "incident", "Hash", "objects",
}

func (p *portrait) write(text string) { p.text = append(append(p.text, text...), ' ') }

func (p *portrait) number(n int64) { p.text = append(strconv.AppendInt(p.text, n, 10), ' ') }

func (p *portrait) draw(v reflect.Value) {
	t := v.Type()
	switch {
	case t == reflect.TypeFor[time.Time]():
		p.write(strconv.FormatBool(v.Interface().(time.Time).IsZero()))
		return
	case t == reflect.TypeFor[time.Duration]():
		if d := time.Duration(v.Int()); d != 0 {
			p.number(int64(d - p.now))
		}
		p.write(",")
		return
	case givenOut(t):
		p.number(int64(p.name(t.Name(), v.Uint())))
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			p.write("-")
			return
		}
		p.write(v.Elem().Type().Name())
		p.drawAny(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if name := t.Field(i).Name; !slices.Contains(unimportant, name) {
				p.draw(field(v, i))
			}
		}
	case reflect.Map:
		p.drawMap(v)
	case reflect.Slice, reflect.Array:
		p.write("[")
		for i := range v.Len() {
			p.drawAny(v.Index(i))
		}
		p.write("]")
	case reflect.String:
		p.write(v.String())
	case reflect.Bool:
		p.write(strconv.FormatBool(v.Bool()))
	default:
		if v.CanInt() {
			p.number(v.Int())
			return
		}
		p.write(fmt.Sprint(v.Interface()))
	}
}

// drawAny draws a value that may have no address.
func (p *portrait) drawAny(v reflect.Value) {
	if v.CanAddr() {
		p.draw(v)
		return
	}
	n := reflect.New(v.Type()).Elem()
	n.Set(v)
	p.draw(n)
}

func (p *portrait) drawMap(v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.CanUint() {
			return int(a.Uint()) - int(b.Uint())
		}
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	p.write("(")
	for _, k := range keys {
		if k.Type() != reflect.TypeFor[uint64]() { // alarms are told apart by what they say
			p.drawAny(k)
		}
		p.drawAny(v.MapIndex(k))
	}
	p.write(")")
}

// givenOut tells the types of numbers that the terminal gives out one by one.
func givenOut(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[Generation](), reflect.TypeFor[AttemptID](), reflect.TypeFor[RoundID](), reflect.TypeFor[PulseID]():
		return true
	}
	return false
}

func (p *portrait) name(kind string, n uint64) int {
	if n == 0 {
		return 0
	}
	known := p.names[kind]
	if known == nil {
		known = map[uint64]int{}
		p.names[kind] = known
	}
	if known[n] == 0 {
		known[n] = len(known) + 1
	}
	return known[n]
}
