package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// mostTyped bounds a line of standard input.
const mostTyped = 4096

// readPassword asks for a password twice without showing what is typed, or reads
// one line when standard input is no terminal. It never comes from the command
// line, which everybody on the machine can see.
func readPassword(ask io.Writer, what string) (string, error) {
	in := bufio.NewReader(io.LimitReader(os.Stdin, mostTyped))
	info, err := os.Stdin.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode()&os.ModeCharDevice == 0 {
		return readLine(in)
	}
	show, err := hideTyping(os.Stdin)
	if err != nil {
		return "", fmt.Errorf("what is typed here cannot be hidden; give the password through a pipe: %w", err)
	}
	defer show()
	fmt.Fprintf(ask, "%s: ", what)
	first, err := readLine(in)
	fmt.Fprintln(ask)
	if err != nil {
		return "", err
	}
	fmt.Fprint(ask, "Once more: ")
	second, err := readLine(in)
	fmt.Fprintln(ask)
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil && (err != io.EOF || line == "") {
		return "", errors.New("no password was given")
	}
	return strings.TrimRight(line, "\r\n"), nil
}
