package iam

import (
	"regexp"
	"strings"
)

// credentials are texts that look like a credential, with what may be shown of
// them first: the few characters that tell the kind [API fact: formats of
// credentials]. Some are shorter than whole ones: a text may have been cut. One
// may stand behind an escape that ends in a letter or a digit: \n, \u003d, %3D.
var credentials = regexp.MustCompile(`(?s)(\b|\\(?:[a-z]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})|%[0-9A-Fa-f]{2})(?:` + strings.Join([]string{
	`(AQVN|AQW9)[A-Za-z0-9_-]{12,}`,
	`(YC)[A-Za-z0-9_-]{24,}`, // longer than the id of a static key
	`(yccs__|ysc2_)[A-Za-z0-9_]{12,}`,
	`((?:t|c|s|rt|ac|dc|us|ub)1\.)[A-Za-z0-9_-]{12,}[A-Za-z0-9_=.-]*`,
	`(y[0-6]_)[A-Za-z0-9_-]{20,}`,
	`(eyJ)[A-Za-z0-9_-]{12,}[A-Za-z0-9_.-]*`,
	`(BEGIN [A-Z ]*PRIVATE KEY-----).*`,
}, "|") + `)`)

// variable is the name of one of the environment, which programs' own texts
// give: as long as a secret, and never as random.
var variable = regexp.MustCompile(`^YC(?:_[A-Z]+)+$`)

// hints are parts of which every credential holds one: most texts hold none.
var hints = [...]string{"AQ", "YC", "yccs__", "ysc2_", "1.", "y0_", "y1_", "y2_", "y3_", "y4_", "y5_", "y6_", "eyJ", "PRIVATE KEY"}

// Conceal hides what looks like a credential in a text that repeats what a
// caller sent: callers put secrets where ids belong, and texts of errors reach
// logs and the audit log. The first characters, which tell the kind, stay.
func Conceal(text string) string {
	for _, hint := range hints {
		if strings.Contains(text, hint) {
			return credentials.ReplaceAllStringFunc(text, func(found string) string {
				if variable.MatchString(found) {
					return found
				}
				return credentials.ReplaceAllString(found, "$1$2$3$4$5$6$7$8****")
			})
		}
	}
	return text
}
