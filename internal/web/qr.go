package web

import (
	"html/template"
	"strconv"
	"strings"

	"rsc.io/qr/coding"
)

// quiet is the margin around a QR code, in modules (ISO/IEC 18004 asks for four).
const quiet = 4

// qrCode draws a text as an element that shows a QR code, black on white in every
// theme: readers want it so. What it says to those who do not see it stands beside it.
func qrCode(text string) (template.HTML, error) {
	data := coding.String(text)
	version := coding.Version(coding.MinVersion)
	for version < coding.MaxVersion && data.Bits(version) > version.DataBytes(coding.M)*8 {
		version++
	}
	plan, err := coding.NewPlan(version, coding.M, 0)
	if err != nil {
		return "", err
	}
	code, err := plan.Encode(data)
	if err != nil {
		return "", err
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				path.WriteString("M" + strconv.Itoa(x+quiet) + " " + strconv.Itoa(y+quiet) + "h" + strconv.Itoa(run) + "v1h-" + strconv.Itoa(run) + "z")
				x += run
			}
		}
	}
	side := strconv.Itoa(code.Size + 2*quiet)
	return template.HTML(`<svg class="qr" viewBox="0 0 ` + side + ` ` + side + `" aria-hidden="true" focusable="false" shape-rendering="crispEdges">` +
		`<path class="qr-paper" d="M0 0h` + side + `v` + side + `H0z"/><path class="qr-ink" d="` + path.String() + `"/></svg>`), nil
}
