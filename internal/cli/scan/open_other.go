//go:build !unix

package scan

const openSafely = 0
