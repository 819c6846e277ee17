package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dockerMember is a member of docker's configuration, as it was written.
type dockerMember struct {
	name  string
	value json.RawMessage
}

const (
	credHelpers       = "credHelpers"
	mostDockerConfig  = 4 << 20
	dockerConfigStyle = "\t" // docker's own
)

// addCredentialHelper makes docker's clients ask a helper for the passwords of
// registries. Everything else in their file stays, in its order. A file that is
// not understood is left as it is.
func addCredentialHelper(path, helper string, hosts []string) error {
	real, mode := path, fs.FileMode(0o600)
	if at, err := filepath.EvalSymlinks(path); err == nil { // a link stays: what it leads to is written
		real = at
	} else if _, lerr := os.Lstat(path); lerr == nil {
		return err
	}
	var text []byte
	info, err := os.Stat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Size() > mostDockerConfig:
		return fmt.Errorf("%s is no file of settings", path)
	default:
		mode = info.Mode().Perm()
		if text, err = os.ReadFile(real); err != nil {
			return err
		}
	}
	all, err := readMembers(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var helpers []dockerMember
	at := -1
	for i, m := range all {
		if m.name == credHelpers {
			if helpers, err = readMembers(m.value); err != nil {
				return fmt.Errorf("%s: %s: %w", path, credHelpers, err)
			}
			at = i
		}
	}
	for _, host := range hosts {
		name, err := json.Marshal(helper)
		if err != nil {
			return err
		}
		helpers = put(helpers, host, name)
	}
	value, err := writeMembers(helpers)
	if err != nil {
		return err
	}
	if at < 0 {
		all = append(all, dockerMember{credHelpers, value})
	} else {
		all[at].value = value
	}
	out, err := writeMembers(all)
	if err != nil {
		return err
	}
	return replaceFile(real, out, mode)
}

func put(all []dockerMember, name string, value json.RawMessage) []dockerMember {
	for i := range all {
		if all[i].name == name {
			all[i].value = value
			return all
		}
	}
	return append(all, dockerMember{name, value})
}

// readMembers reads one JSON object; nothing is an empty one.
func readMembers(text []byte) ([]dockerMember, error) {
	var out []dockerMember
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	if !json.Valid(text) {
		return nil, errors.New("it is not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		if t == nil && err == nil { // null
			return nil, nil
		}
		return nil, errors.New("it is not a JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := dockerMember{name: t.(string)}
		if seen[m.name] {
			return nil, fmt.Errorf("%q is given twice", printable(m.name))
		}
		seen[m.name] = true
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func writeMembers(all []dockerMember) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", dockerConfigStyle); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

// replaceFile puts a file in place: a reader sees the old one or the new one,
// never half of one.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*") // mode 0600 from the start
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails, as it should, once renamed
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}
