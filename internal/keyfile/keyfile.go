// Package keyfile owns the authorized-key file: the JSON that a person
// downloads once when a key is made and that every SDK reads, the pair of RSA
// keys inside it, and the JWT that its owner signs to ask for an IAM token.
// It knows no server, no store and no network.
package keyfile

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// maxSize bounds a key file; an RSA-4096 one is about 4.5 kB.
const maxSize = 64 << 10

// File is an authorized-key file. Written, it has exactly six fields in this
// order, because SDKs refuse a file with a field that they do not know
// [API fact: the SDKs' key reader is strict].
type File struct {
	ID               string
	ServiceAccountID string
	CreatedAt        time.Time
	Algorithm        iam.KeyAlgorithm
	PublicKey        string     // PEM, "PUBLIC KEY"
	PrivateKey       iam.Secret // the warning line, then PEM, "PRIVATE KEY" (PKCS #8)
}

// New makes the file of a key: its private half is written out with the
// warning line that names the key.
func New(key iam.Key, private *rsa.PrivateKey) (*File, error) {
	text, err := PrivateKeyText(key.ID, private)
	if err != nil {
		return nil, err
	}
	return &File{
		ID: key.ID, ServiceAccountID: key.ServiceAccountID, CreatedAt: key.CreatedAt,
		Algorithm: key.Algorithm, PublicKey: key.PublicKey, PrivateKey: text,
	}, nil
}

// Encode returns the file's JSON, secret included, indented by three spaces
// and with < and > written as they are.
func (f *File) Encode() []byte {
	fields := []struct{ name, value string }{
		{"id", f.ID},
		{"service_account_id", f.ServiceAccountID},
		{"created_at", f.CreatedAt.UTC().Format(time.RFC3339Nano)},
		{"key_algorithm", string(f.Algorithm)},
		{"public_key", f.PublicKey},
		{"private_key", f.PrivateKey.Reveal()},
	}
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, field := range fields {
		fmt.Fprintf(&b, "   %q: ", field.name)
		b.Write(quote(field.value))
		if i < len(fields)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Write puts the file at path with mode 0600, whole or not at all: a reader
// never sees half a key, and a file that was there is replaced. What Replaceable
// refuses stays as it is.
func (f *File) Write(path string) error {
	if err := Replaceable(path); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600 from the start
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	defer os.Remove(tmp.Name()) // fails, as it should, once renamed
	_, err = tmp.Write(f.Encode())
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	return nil
}

// Replaceable refuses a path where something else stands than a file: a folder,
// or a device such as /dev/stdout, of which root would take the name away. "-"
// is no path, though a file may be called so: ./- is one.
func Replaceable(path string) error {
	if path == "-" {
		return errors.New(`"-" is no file: say ./- if it is one`)
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is there, and is no file", path)
	}
	return nil
}

// Read reads and parses the file at path.
func Read(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxSize+1)) // /dev/zero has no end
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	f, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Parse reads a key file as strictly as the SDKs do: an unknown, repeated,
// missing or ill-typed field is INVALID_ARGUMENT naming the field. Names may be
// spelled in snake_case or camelCase, and a "description" is skipped, as their
// readers do. The two halves must belong together. No error holds a secret.
func Parse(data []byte) (*File, error) {
	if len(data) > maxSize {
		return nil, iam.Errorf(iam.InvalidArgument, "key file: larger than %d bytes", maxSize)
	}
	values, err := members(data)
	if err != nil {
		return nil, err
	}
	f := &File{
		ID: values["id"], ServiceAccountID: values["service_account_id"],
		Algorithm: iam.KeyAlgorithm(values["key_algorithm"]),
		PublicKey: values["public_key"], PrivateKey: iam.NewSecret(values["private_key"]),
	}
	for _, name := range required {
		if values[name] == "" {
			return nil, iam.InvalidField(name, "is missing from the key file")
		}
	}
	if f.CreatedAt, err = time.Parse(time.RFC3339Nano, values["created_at"]); err != nil {
		return nil, iam.InvalidField("created_at", "is not an RFC 3339 time")
	}
	if f.Algorithm != iam.RSA2048 && f.Algorithm != iam.RSA4096 {
		return nil, iam.InvalidField("key_algorithm", "must be RSA_2048 or RSA_4096")
	}
	return f, f.checkPair()
}

func (f *File) checkPair() error {
	private, err := f.Key()
	if err != nil {
		return err
	}
	public, err := ParsePublicKey(f.PublicKey)
	if err != nil {
		return iam.InvalidField("public_key", "is not an RSA public key in PEM")
	}
	if !public.Equal(private.Public()) {
		return iam.InvalidField("public_key", "does not belong to private_key")
	}
	return nil
}

var (
	required = []string{"id", "service_account_id", "created_at", "key_algorithm", "public_key", "private_key"}
	spelling = map[string]string{
		"serviceAccountId": "service_account_id", "createdAt": "created_at", "keyAlgorithm": "key_algorithm",
		"publicKey": "public_key", "privateKey": "private_key",
	}
)

// members reads one flat JSON object of strings with known names.
func members(data []byte) (map[string]string, error) {
	malformed := iam.Errorf(iam.InvalidArgument, "key file: not a JSON object of strings")
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, malformed
	}
	values := make(map[string]string, len(required))
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, malformed
		}
		name, _ := t.(string)
		if snake, ok := spelling[name]; ok {
			name = snake
		}
		if !known(name) {
			return nil, iam.InvalidField(strings.ToValidUTF8(clip(name), "?"), "unknown field in the key file")
		}
		if _, twice := values[name]; twice {
			return nil, iam.InvalidField(name, "is given twice in the key file")
		}
		var value *string
		var mistyped *json.UnmarshalTypeError
		if err := d.Decode(&value); errors.As(err, &mistyped) || (err == nil && value == nil) {
			return nil, iam.InvalidField(name, "must be a string")
		} else if err != nil {
			return nil, malformed
		}
		values[name] = *value
	}
	if _, err := d.Token(); err != nil || len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return nil, malformed
	}
	return values, nil
}

func known(name string) bool {
	for _, n := range required {
		if n == name {
			return true
		}
	}
	return name == "description"
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
