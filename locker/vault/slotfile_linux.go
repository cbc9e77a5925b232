package vault

import (
	"os"

	"golang.org/x/sys/unix"
)

// Numbers of file systems that are not in golang.org/x/sys/unix.
const (
	zfsMagic      = 0x2fc12fc1 // OpenZFS, include/sys/fs/zfs.h
	bcachefsMagic = 0xca451a4e // linux/magic.h
	nilfsMagic    = 0x3434     // linux/magic.h
	ubifsMagic    = 0x24051905 // fs/ubifs/ubifs.h
)

func copyOnWrite(f *os.File) (string, bool) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return "unknown file system", true
	}
	switch uint32(s.Type) {
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs", true
	case zfsMagic:
		return "zfs", true
	case bcachefsMagic:
		return "bcachefs", true
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs", true
	case nilfsMagic:
		return "nilfs2", true
	case ubifsMagic:
		return "ubifs", true
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs", true
	}
	return "", false
}
