package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// isTerminal tells whether a person may be at the other end of a file.
func isTerminal(f *os.File) bool {
	var mode uint32
	return windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) == nil
}

// hideTyping turns the console's echo off; show turns it on again.
func hideTyping(f *os.File) (show func(), err error) {
	var before uint32
	console := windows.Handle(f.Fd())
	if err := windows.GetConsoleMode(console, &before); err != nil {
		return nil, err
	}
	if err := windows.SetConsoleMode(console, before&^windows.ENABLE_ECHO_INPUT); err != nil {
		return nil, err
	}
	return func() { _ = windows.SetConsoleMode(console, before) }, nil
}
