package signin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
)

func TestCheckPassword(t *testing.T) {
	for password, reason := range map[string]string{
		"tr0ub4dour":                         "",
		"пять капель":                        "",
		"longer than eight":                  "",
		strings.Repeat("a b c d ", 16):       "",
		"seven77":                            "password_short",
		"":                                   "password_short",
		"семь777":                            "password_short", // seven characters, eleven bytes
		strings.Repeat("a b c d ", 16) + "x": "password_long",
		"password123":                        "password_common",
		"PassWord123":                        "password_common",
		"йцукен123":                          "password_common",
		"aaaaaaaaaa":                         "password_monotonous",
		"121212121212":                       "password_monotonous",
		"3456789:":                           "password_monotonous",
		"jihgfedc":                           "password_monotonous",
		"alice.jones":                        "password_personal",
		"Alice.Jones":                        "password_personal",
		"alice.jones1984!":                   "password_personal",
		"1984alicejones":                     "password_personal",
		"alice@example.com":                  "password_personal",
		"Jones-Smith":                        "password_personal",
		"alice's tea at 5":                   "",
		"tab\there it is":                    "password_untypable",
		"\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc":   "password_untypable",
	} {
		err := signin.CheckPassword("new_password", iam.NewSecret(password), "alice.jones", "alice@example.com", "Jones Smith", "", "Al")
		if reason == "" {
			if err != nil {
				t.Errorf("%q: %v", password, err)
			}
			continue
		}
		var e *iam.Error
		if !errors.As(err, &e) || e.Reason != reason || e.Kind != iam.InvalidArgument || len(e.Fields) != 1 || e.Fields[0].Field != "new_password" {
			t.Errorf("%q: %v, want %s", password, err, reason)
		} else if password != "" && strings.Contains(e.Message, password) {
			t.Errorf("%q is told: %s", password, e.Message)
		}
	}
}
