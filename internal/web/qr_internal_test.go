package web

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"
)

var qrRun = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

// What is drawn is the code itself, module by module, with its margin.
func TestQRCode(t *testing.T) {
	for _, text := range []string{"x", "otpauth://totp/Propusk:alice?secret=JBSWY3DPEHPK3PXP&issuer=Propusk", strings.Repeat("я", 300)} {
		drawn, err := qrCode(text)
		if err != nil {
			t.Fatal(err)
		}
		want, err := qr.Encode(text, qr.M)
		if err != nil {
			t.Fatal(err)
		}
		size := strconv.Itoa(want.Size + 8)
		if !strings.Contains(string(drawn), `viewBox="0 0 `+size+" "+size+`"`) {
			t.Errorf("%q is drawn as %.80s, want a side of %s", text, drawn, size)
		}
		black := map[[2]int]bool{}
		for _, m := range qrRun.FindAllStringSubmatch(string(drawn), -1) {
			x, _ := strconv.Atoi(m[1])
			y, _ := strconv.Atoi(m[2])
			n, _ := strconv.Atoi(m[3])
			if m[3] != m[4] {
				t.Fatalf("%s is no rectangle", m[0])
			}
			for i := range n {
				black[[2]int{x + i - 4, y - 4}] = true
			}
		}
		for y := -4; y < want.Size+4; y++ {
			for x := -4; x < want.Size+4; x++ {
				if black[[2]int{x, y}] != want.Black(x, y) {
					t.Fatalf("%q: module %d, %d is black: %v", text, x, y, !want.Black(x, y))
				}
			}
		}
	}
	if _, err := qrCode(strings.Repeat("x", 3000)); err == nil {
		t.Error("a text that is too long has a code")
	}
}
