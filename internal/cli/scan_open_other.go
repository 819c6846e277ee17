//go:build !unix

package cli

const openSafely = 0
