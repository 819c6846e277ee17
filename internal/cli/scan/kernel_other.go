//go:build !linux

package scan

func kernelMade(string) bool { return false }
