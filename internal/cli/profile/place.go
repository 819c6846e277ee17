package profile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// ErrNoHome is that nobody says where the person's files are.
var ErrNoHome = errors.New("there is no home folder to keep profiles in: set HOME, or name a file by --config")

// usualFile is what the config file is named where nobody names another.
const usualFile = "config.yaml"

// Path is where the config file is: ~/.config/propusk/config.yaml, or under
// $XDG_CONFIG_HOME; on Windows under %APPDATA%. variable reads the environment.
// It fails with ErrNoHome when there is no home folder: none is made.
func Path(variable func(string) string) (string, error) {
	base, home := configFolder(runtime.GOOS, variable)
	switch {
	case base == "":
		return "", ErrNoHome
	case home == "": // told by the variable alone, so it may be made
		return filepath.Join(base, "propusk", usualFile), nil
	}
	if _, err := os.Stat(home); errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w (%s is not there)", ErrNoHome, home)
	}
	return filepath.Join(base, "propusk", usualFile), nil
}

// configFolder is the folder of all programs' settings, and the home that it is
// in when it is by that.
func configFolder(system string, variable func(string) string) (base, home string) {
	if base = variable("XDG_CONFIG_HOME"); filepath.IsAbs(base) { // the XDG specification: relative ones are ignored
		return base, ""
	}
	home = variable("HOME")
	if system == "windows" {
		if base = variable("APPDATA"); base != "" {
			return base, ""
		}
		home = variable("USERPROFILE")
	}
	if home == "" {
		return "", ""
	}
	return filepath.Join(home, ".config"), home
}
