package web

import "testing"

// "Same address as yours" is a reason to trust a device, so it has to be one: at
// a proxy that the server does not know of, everybody has the proxy's address.
func TestWhichDevicesAreNear(t *testing.T) {
	for _, c := range []struct {
		device, person string
		want           bool
	}{
		{"203.0.113.7", "203.0.113.7", true}, {"2001:db8::7", "2001:db8::7", true}, {"2001:db8:0::7", "2001:db8::7", true},
		{"203.0.113.7", "203.0.113.8", false}, {"2001:db8::7", "2001:db8::8", false}, {"::ffff:203.0.113.7", "203.0.113.7", true},
		{"10.0.0.1", "10.0.0.1", false}, {"192.168.1.1", "192.168.1.1", false}, {"127.0.0.1", "127.0.0.1", false}, {"::1", "::1", false},
		{"fd00::1", "fd00::1", false}, {"fe80::1%eth0", "fe80::1%eth0", false}, {"100.64.3.4", "100.64.3.4", false}, {"::ffff:10.0.0.1", "10.0.0.1", false},
		{"", "", false}, {"@", "@", false}, {"0.0.0.0", "0.0.0.0", false},
	} {
		if got := near(c.device, c.person); got != c.want {
			t.Errorf("a device at %q and a person at %q: %v", c.device, c.person, got)
		}
	}
}
