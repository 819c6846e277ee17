package audit

import (
	"errors"
	"fmt"
)

// ErrLoss is what a LossError is to errors.Is.
var ErrLoss = errors.New("the audit journal is not what it was")

// LossError says that the journal on disk is not the one that the store knows:
// acknowledged lines were cut, edited or removed, or one of the two was put back
// from a copy. Open returns it and starts nothing unless the loss is accepted.
type LossError struct {
	File   string // the file where it shows, or the folder
	Reason string
}

func (e *LossError) Error() string {
	return fmt.Sprintf("audit journal: %s: %s; lines of the audit log are lost or altered. "+
		"Put the folder back as it was, or accept the loss to go on with a new journal (the old files are kept beside it)", e.File, e.Reason)
}

// Is makes errors.Is(err, ErrLoss) true.
func (e *LossError) Is(target error) bool { return target == ErrLoss }

func lossf(path, format string, args ...any) error {
	return &LossError{File: path, Reason: fmt.Sprintf(format, args...)}
}
