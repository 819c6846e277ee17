package signin_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/signin"
)

func TestPlaces(t *testing.T) {
	p, err := signin.ParsePlaces([]string{"10.0.0.0/8=Company", "10.1.0.0/16 = Moscow office", "10.1.2.3=Reception = desk", "2001:db8::/32=Дом", "0.0.0.0/0=Elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"10.2.0.1": "Company", "10.1.0.1": "Moscow office", "10.1.2.3": "Reception = desk", "::ffff:10.1.2.3": "Reception = desk",
		"192.0.2.1": "Elsewhere", "2001:db8::1": "Дом", "2001:db9::1": "", "2001:db8::1%eth0": "Дом", "": "", "nonsense": "", "10.1.2.3:80": "",
	} {
		if got := p.Of(address); got != want {
			t.Errorf("%q is in %q, want %q", address, got, want)
		}
	}
	if got := signin.Places(nil).Of("10.1.2.3"); got != "" {
		t.Errorf("nowhere is %q", got)
	}
	for entry, says := range map[string]string{
		"10.0.0.0/8": "not of the form", "=x": "not of the form", "10.0.0.0/8=": "not of the form", "": "not of the form", "10.0.0.0/33=x": "no network",
		"example.com=x": "no network", "10.1.2.3/16=x": "did you mean 10.1.0.0/16", "::ffff:10.0.0.0/104=x": "write it as IPv4", "10.0.0.0/8=a\nb": "cannot be shown",
		"10.0.0.0/8=" + strings.Repeat("x", 101): "at most 100", "fe80::1%eth0=x": "no network",
	} {
		if _, err := signin.ParsePlaces([]string{entry}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", entry, err)
		}
	}
	if _, err := signin.ParsePlaces([]string{"10.0.0.1=a", "10.0.0.1/32=b"}); err == nil || !strings.Contains(err.Error(), "has a name already") {
		t.Errorf("two names: %v", err)
	}
}

func FuzzParsePlaces(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8=Company", "::/0=x", "1.2.3.4=y", "::ffff:1.2.3.4=z", "=", "fe80::%a/64=x"} {
		f.Add(s, "10.1.2.3")
	}
	f.Fuzz(func(t *testing.T, entry, address string) {
		p, err := signin.ParsePlaces([]string{entry})
		if err != nil {
			return
		}
		if got := p.Of(address); got != "" && got != p[0].Name {
			t.Errorf("%q is in %q by %q", address, got, entry)
		}
		if p.Of(p[0].Prefix.Addr().String()) != p[0].Name {
			t.Errorf("%q does not hold its own address", entry)
		}
	})
}
