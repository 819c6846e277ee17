package audit

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// syncer makes a file's data durable. Where the kernel offers it, the sync is
// asked for with Linux AIO and its end arrives through an eventfd, which the
// runtime's poller waits for. A goroutine in fdatasync would hold a thread and
// a processor of the runtime instead, which the runtime takes back by looking
// every 20 us: several times the CPU of the sync itself.
type syncer struct {
	aio  uintptr  // context of io_setup; 0: not to be had, fdatasync does it
	done *os.File // eventfd
	fd   uint32   // of done: asking it for it would make it block
}

// iocb is struct iocb of linux/aio_abi.h.
// What a sync has no use for is blank.
type iocb struct {
	_      uint64    // data
	_      [2]uint32 // key and rw_flags, whose order depends on the machine's
	opcode uint16
	_      int16 // priority
	fd     uint32
	_      [4]uint64 // buf, nbytes, offset, reserved
	flags  uint32
	resfd  uint32
}

// ioEvent is struct io_event.
type ioEvent struct {
	_   [2]uint64 // data and obj
	res int64
	_   int64 // res2
}

const (
	cmdFdsync = 3 // IOCB_CMD_FDSYNC
	flagResfd = 1 // IOCB_FLAG_RESFD
)

// newSyncer tries AIO on the file itself: seccomp filters, old kernels and some
// file systems do not have it.
func newSyncer(f *os.File) *syncer {
	s := &syncer{}
	if _, _, e := syscall.RawSyscall(syscall.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&s.aio)), 0); e != 0 {
		return &syncer{}
	}
	const cloexecNonblock = syscall.O_CLOEXEC | syscall.O_NONBLOCK
	fd, _, e := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, cloexecNonblock, 0)
	if e != 0 {
		s.close()
		return &syncer{}
	}
	s.done, s.fd = os.NewFile(fd, "eventfd"), uint32(fd)
	if err := s.async(f); err != nil {
		s.close()
		return &syncer{}
	}
	return s
}

func (s *syncer) sync(f *os.File) error {
	if s.aio == 0 {
		return fdatasync(f)
	}
	return s.async(f)
}

func (s *syncer) async(f *os.File) error {
	cb := &iocb{opcode: cmdFdsync, fd: uint32(f.Fd()), flags: flagResfd, resfd: s.fd}
	list := [1]*iocb{cb}
	n, _, e := syscall.RawSyscall(syscall.SYS_IO_SUBMIT, s.aio, 1, uintptr(unsafe.Pointer(&list)))
	runtime.KeepAlive(cb)
	runtime.KeepAlive(f)
	if e != 0 {
		return os.NewSyscallError("io_submit", e)
	}
	if n != 1 {
		return errors.New("io_submit: nothing was taken")
	}
	var count [8]byte
	if _, err := s.done.Read(count[:]); err != nil {
		return err
	}
	var event ioEvent
	n, _, e = syscall.RawSyscall6(syscall.SYS_IO_GETEVENTS, s.aio, 1, 1, uintptr(unsafe.Pointer(&event)), 0, 0)
	switch {
	case e != 0:
		return os.NewSyscallError("io_getevents", e)
	case n != 1 || binary.NativeEndian.Uint64(count[:]) != 1:
		return errors.New("io_getevents: another event than the one that was asked for")
	case event.res < 0:
		return os.NewSyscallError("fdatasync", syscall.Errno(-event.res))
	}
	return nil
}

func (s *syncer) close() {
	if s.aio != 0 {
		_, _, _ = syscall.RawSyscall(syscall.SYS_IO_DESTROY, s.aio, 0, 0)
		s.aio = 0
	}
	if s.done != nil {
		_ = s.done.Close()
	}
}

func fdatasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
