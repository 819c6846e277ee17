//go:build !linux

package function

// killMarked would end processes that have left their group, which only Linux shows.
func killMarked(string) {}
