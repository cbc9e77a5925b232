// Package hil is the laboratory: it proves on a real kernel what the drivers
// promise. Its tests (build tag hil) boot Debian's kernel in QEMU without any
// acceleration, with the kernel's GPIO simulator, expanders on an I2C bus, and
// a disk that can lose its power, and drive it from outside.
//
// Evidence is what the kernel traced and what the simulator measures on its
// wires, never what the program under test says of itself. The tests bear the
// numbers of the promises:
//
//  1. no lock moves at start, crash, kill or restart;
//  2. a pulse lasts as configured, and ends even if its process is killed, on an
//     expander, which keeps its latch, too;
//  3. 64 chattering doors: no final state is missed;
//  4. taken lines, missing permission, vanished and reset chips are noticed,
//     named, and healed or taken out of service;
//  5. the whole terminal, from the order to the pickup;
//  6. power cuts, with a disk that forgets what was not flushed.
//
// Besides, a badge reader that types (uinput) is the terminal's alone, is found
// again, and of a text that came too quickly nothing is taken; and the real-time
// clock (QEMU's) is read and its loss noticed.
//
// Package guest is what runs in there as the first process, kernel/prepare makes
// kernel and modules from Debian's packages and keeps them in the cache.
//
// The tests skip where QEMU or the packages are missing; NACHTFACH_REQUIRE=qemu
// makes that a failure.
package hil
