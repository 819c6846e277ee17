//go:build !unix

package server

// makePrivate does nothing: here the folder's permissions guard the socket.
func makePrivate(uintptr) {}
