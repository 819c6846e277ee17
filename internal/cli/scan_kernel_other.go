//go:build !linux

package cli

func kernelMade(string) bool { return false }
