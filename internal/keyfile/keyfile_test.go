package keyfile_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
)

var pair = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := keyfile.Generate(iam.RSA2048)
	if err != nil {
		panic(err)
	}
	return key
})

func sample(t testing.TB) *keyfile.File {
	t.Helper()
	public, err := keyfile.PublicKeyText(&pair().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	f, err := keyfile.New(iam.Key{
		ID: "ajek0000000000000001", ServiceAccountID: "ajes0000000000000001", Description: "left out",
		Algorithm: iam.RSA2048, PublicKey: public, CreatedAt: time.Date(2026, 11, 1, 2, 3, 4, 567890000, time.UTC),
	}, pair())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEncodeHasExactlySixFieldsInOrder(t *testing.T) {
	f := sample(t)
	data := f.Encode()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^   "([a-z_]+)": "`).FindAllSubmatch(data, -1) {
		names = append(names, string(m[1]))
	}
	want := []string{"id", "service_account_id", "created_at", "key_algorithm", "public_key", "private_key"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	var all map[string]string
	if err := json.Unmarshal(data, &all); err != nil || len(all) != 6 {
		t.Fatalf("%d fields, %v", len(all), err)
	}
	const warning = "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <ajek0000000000000001>\n-----BEGIN PRIVATE KEY-----\n"
	if !strings.HasPrefix(all["private_key"], warning) {
		t.Errorf("private_key begins %q", all["private_key"][:len(warning)])
	}
	if !bytes.Contains(data, []byte("ID <ajek0000000000000001>\\n-----BEGIN")) {
		t.Error("the angle brackets are escaped")
	}
	if !strings.HasPrefix(all["public_key"], "-----BEGIN PUBLIC KEY-----\n") {
		t.Errorf("public_key begins %.30q", all["public_key"])
	}
	block, _ := pem.Decode([]byte(all["private_key"]))
	if block == nil || block.Type != "PRIVATE KEY" {
		t.Error("private_key is not PKCS #8 PEM behind the warning line")
	}
}

func TestWriteThenRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := sample(t)
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	back, err := keyfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Encode(), f.Encode()) {
		t.Error("the file read is not the file written")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files left in the folder, want 1", len(entries))
	}
	if err := f.Write(filepath.Join(path, "no-folder")); err == nil {
		t.Error("writing below a file must fail")
	}
	device := filepath.Join(filepath.Dir(path), "device")
	if err := os.Symlink(os.DevNull, device); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{device, filepath.Dir(path), "-"} {
		if err := f.Write(path); err == nil {
			t.Errorf("%s is replaced", path)
		}
	}
	if info, err := os.Lstat(device); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if err := keyfile.Replaceable(filepath.Join(filepath.Dir(path), "none")); err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	good := string(sample(t).Encode())
	other, err := rsa.GenerateKey(nil, 2048)
	if err != nil {
		t.Fatal(err)
	}
	otherPublic, _ := keyfile.PublicKeyText(&other.PublicKey)
	encoded, _ := json.Marshal(otherPublic)
	public := regexp.MustCompile(`"public_key": "[^"]*"`)
	private := regexp.MustCompile(`"private_key": "[^"]*"`)

	for name, tc := range map[string]struct{ in, want string }{
		"as written":           {good, ""},
		"camelCase":            {strings.NewReplacer("service_account_id", "serviceAccountId", "private_key", "privateKey").Replace(good), ""},
		"escaped brackets":     {strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(good), ""},
		"warning line removed": {regexp.MustCompile(`PLEASE[^\\]*\\n`).ReplaceAllString(good, ""), ""},
		"description":          {strings.Replace(good, "{", `{"description":"mine",`, 1), ""},
		"unknown field":        {strings.Replace(good, "{", `{"last_used_at":"x",`, 1), "last_used_at: unknown field"},
		"repeated field":       {strings.Replace(good, "{", `{"id":"x",`, 1), "id: is given twice"},
		"repeated in camel":    {strings.Replace(good, "{", `{"privateKey":"x",`, 1), "private_key: is given twice"},
		"missing field":        {strings.Replace(good, `"service_account_id"`, `"description"`, 1), "service_account_id: is missing"},
		"number":               {strings.Replace(good, "{", `{"description":7,`, 1), "description: must be a string"},
		"null":                 {strings.Replace(good, "{", `{"description":null,`, 1), "description: must be a string"},
		"bad time":             {strings.Replace(good, "2026-11-01T", "yesterday", 1), "created_at: is not an RFC 3339 time"},
		"bad algorithm":        {strings.Replace(good, "RSA_2048", "ECDSA", 1), "key_algorithm: must be"},
		"another's public key": {public.ReplaceAllLiteralString(good, `"public_key": `+string(encoded)), "public_key: does not belong"},
		"broken public key":    {public.ReplaceAllLiteralString(good, `"public_key": "x"`), "public_key: is not"},
		"broken private key":   {private.ReplaceAllLiteralString(good, `"private_key": "hush"`), "private_key: is not"},
		"trailing text":        {good + "x", "not a JSON object"},
		"array":                {"[]", "not a JSON object"},
		"cut":                  {good[:len(good)/2], "not a JSON object"},
		"empty":                {"", "not a JSON object"},
		"huge":                 {strings.Repeat(" ", 65<<10), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := keyfile.Parse([]byte(tc.in))
			if tc.want == "" {
				if err != nil || f.ID != "ajek0000000000000001" {
					t.Fatalf("%v", err)
				}
				return
			}
			if err == nil || iam.KindOf(err) != iam.InvalidArgument || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "BEGIN") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}

func TestGenerate(t *testing.T) {
	if testing.Short() {
		t.Skip("RSA-4096 takes seconds")
	}
	key, err := keyfile.Generate(iam.RSA4096)
	if err != nil || key.N.BitLen() != 4096 {
		t.Fatalf("%v", err)
	}
	if _, err := keyfile.Generate("ECDSA"); iam.KindOf(err) != iam.InvalidArgument {
		t.Errorf("ECDSA: %v", err)
	}
}

func TestSignJWT(t *testing.T) {
	now := time.Date(2026, 11, 1, 2, 3, 4, 999e6, time.UTC)
	jwt, err := keyfile.SignJWT(sample(t), keyfile.PublicAudience, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %s", jwt, jwt, jwt); strings.Contains(text, "eyJ") {
		t.Error("the JWT shows itself")
	}
	parts := strings.Split(jwt.Reveal(), ".")
	var decoded [3][]byte
	for i, p := range parts {
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(p); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := string(decoded[0]), `{"typ":"JWT","alg":"PS256","kid":"ajek0000000000000001"}`; got != want {
		t.Errorf("header %s, want %s", got, want)
	}
	want := fmt.Sprintf(`{"iss":"ajes0000000000000001","aud":"https://iam.api.cloud.yandex.net/iam/v1/tokens","iat":%d,"exp":%d}`, now.Unix(), now.Unix()+3600)
	if got := string(decoded[1]); got != want {
		t.Errorf("claims %s, want %s", got, want)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPSS(&pair().PublicKey, crypto.SHA256, digest[:], decoded[2], &rsa.PSSOptions{SaltLength: 32}); err != nil {
		t.Errorf("signature with a salt of 32: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	good := sample(f).Encode()
	f.Add(good)
	f.Add([]byte(`{"id":"x","serviceAccountId":"y","created_at":"","key_algorithm":"","public_key":"","private_key":""}`))
	f.Add([]byte(`{"id":null}`))
	f.Add([]byte(`{"id":"\ud800"}x`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := keyfile.Parse(data)
		if err != nil {
			return
		}
		again, err := keyfile.Parse(file.Encode())
		if err != nil || !bytes.Equal(again.Encode(), file.Encode()) {
			t.Fatalf("what was parsed does not survive being written: %v", err)
		}
	})
}
