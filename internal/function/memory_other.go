//go:build unix && !linux

package function

// keepMemory has no core dump of a handler's process hold a token.
func keepMemory() { keepCores() }
