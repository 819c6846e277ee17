//go:build !linux

package main

import (
	"errors"
	"os"
)

func hideTyping(*os.File) (show func(), err error) {
	return nil, errors.New("not on this system")
}
