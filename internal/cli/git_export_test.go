package cli

import "io"

// GitRequest is readGitRequest for the fuzz test.
func GitRequest(in io.Reader) (protocol, host string, err error) {
	r, err := readGitRequest(in)
	if err != nil {
		return "", "", err
	}
	return r.protocol, r.host, nil
}

// GitServes tells whether a place gets the token of a host.
func GitServes(allowed, protocol, host string) bool {
	_, ok := hostList{allowed}.serve(&gitRequest{protocol: protocol, host: host})
	return ok
}
