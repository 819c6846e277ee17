package resource_test

import (
	"regexp"
	"testing"

	"github.com/propusk/propusk/internal/resource"
)

func TestUUID(t *testing.T) {
	if got, want := resource.UUIDOf([16]byte{0: 0xff, 6: 0xff, 8: 0xff, 15: 1}), "ff000000-0000-4f00-bf00-000000000001"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if a, b := resource.NewUUID(), resource.NewUUID(); !form.MatchString(a) || a == b {
		t.Errorf("%s and %s", a, b)
	}
}
