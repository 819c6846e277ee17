//go:build race

package access_test

// The race detector makes sync.Pool forget at random, so allocations say nothing.
const raceDetector = true
