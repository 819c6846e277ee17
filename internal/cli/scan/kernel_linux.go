package scan

import "syscall"

// kernelMade tells whether what stands in a folder is no files but the kernel
// speaking: much of it has no end, or waits for news.
func kernelMade(folder string) bool {
	var at syscall.Statfs_t
	if err := syscall.Statfs(folder, &at); err != nil {
		return false
	}
	switch uint32(at.Type) { // linux/magic.h
	case 0x9fa0, // proc
		0x62656572,           // sysfs
		0x64626720,           // debugfs
		0x74726163,           // tracefs
		0x27e0eb, 0x63677270, // cgroup, cgroup2
		0x73636673, // securityfs
		0xf97cff8c, // selinuxfs
		0xcafe4a11, // bpf
		0x62656570, // configfs
		0x6165676c, // pstore
		0xde5e81e4, // efivarfs
		0x1cd1,     // devpts
		0x42494e4d, // binfmt_misc
		0x6e736673: // nsfs
		return true
	}
	return false
}
