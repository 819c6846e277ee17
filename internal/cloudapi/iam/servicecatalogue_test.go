package iam

import (
	"strings"
	"testing"
)

func TestServicesFile(t *testing.T) {
	for _, s := range knownServices {
		if got, ok := findService(s.ID); !ok || got.ID != s.ID {
			t.Errorf("findService(%s) = %v, %v", s.ID, got, ok)
		}
	}
	for _, id := range []string{"", "a", "zzz", knownServices[0].ID + "x"} {
		if _, ok := findService(id); ok {
			t.Errorf("%q is found", id)
		}
	}
	for text, want := range map[string]string{
		"services: [{id: a}, {id: a}]":                                          "twice",
		"services: [{default: true}]":                                           "no id",
		"services: [{id: a, color: red}]":                                       "color",
		"services: [{id: a, microservices: ['']}]":                              "no name",
		"services: [{id: a, microservices: [" + strings.Repeat("x", 50) + "]}]": "too long",
		"services: 7": "",
	} {
		if _, err := readServices([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want an error with %q", text, err, want)
		}
	}
}
