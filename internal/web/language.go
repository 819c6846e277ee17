package web

import (
	"embed"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The languages of the pages; the first is for those who understand none.
const fallback = "en"

type languageName struct{ Code, Name string }

var languages = []languageName{{"en", "English"}, {"ru", "Русский"}}

func speaks(code string) bool {
	for _, l := range languages {
		if l.Code == code {
			return true
		}
	}
	return false
}

//go:embed texts/*.json
var textFiles embed.FS

// texts are all words of the pages, by language and key, read when the first
// page is asked for.
var texts = sync.OnceValue(func() map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, l := range languages {
		file, err := textFiles.ReadFile("texts/" + l.Code + ".json")
		table := map[string]string{}
		if err == nil {
			err = json.Unmarshal(file, &table)
		}
		if err != nil {
			panic("web: texts: " + err.Error()) // the files are part of the program
		}
		out[l.Code] = table
	}
	return out
})

// languageOf is the language that a person has chosen, or the one that his
// browser prefers (RFC 9110 section 12.5.4).
func languageOf(chosen string, accepted []string) string {
	if speaks(chosen) {
		return chosen
	}
	best, weight := fallback, 0.0
	for _, line := range accepted {
		for item := range strings.SplitSeq(line, ",") {
			tag, q := languageRange(item)
			if q > weight && speaks(tag) {
				best, weight = tag, q
			}
		}
	}
	return best
}

// honourLocales takes the language that a program asks for (OpenID Connect Core 1.0
// section 3.1.2.1), on the pages of signing in too that lead to it, unless the
// person has chosen one himself.
func (v *visit) honourLocales(given fields) {
	wanted := given["ui_locales"]
	if _, query, _ := strings.Cut(given["return"], "?"); wanted == "" && query != "" {
		if back, err := parseFields(query); err == nil {
			wanted = back["ui_locales"]
		}
	}
	if speaks(v.cookie(languageCookie)) {
		return
	}
	for tag := range strings.FieldsSeq(wanted) {
		if code, _, _ := strings.Cut(strings.ToLower(tag), "-"); speaks(code) {
			v.language = code
			return
		}
	}
}

// languageRange reads "ru-RU;q=0.8" as the language alone and its weight, 0 for
// what cannot be read.
func languageRange(item string) (language string, weight float64) {
	tag, parameters, given := strings.Cut(item, ";")
	language, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	if !given {
		return language, 1
	}
	q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q=")
	weight, err := strconv.ParseFloat(q, 64)
	if !ok || err != nil || !(weight >= 0 && weight <= 1) {
		return language, 0
	}
	return language, weight
}

// text is a text in the visit's language, with pairs of a name and the value
// that takes its place: {name}.
func (v *visit) text(key string, pairs ...string) string {
	s := texts()[v.language][key]
	if s == "" {
		s = texts()[fallback][key]
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		s = strings.ReplaceAll(s, "{"+pairs[i]+"}", pairs[i+1])
	}
	return s
}

// moment spells a time as people of the language do, to the minute and in UTC:
// the server does not know where they are.
func (v *visit) moment(t time.Time) string {
	return v.day(t) + ", " + t.UTC().Format("15:04") + " UTC"
}

func (v *visit) day(t time.Time) string {
	t = t.UTC()
	month := v.text("month." + strconv.Itoa(int(t.Month())))
	return v.text("day", "day", strconv.Itoa(t.Day()), "month", month, "year", strconv.Itoa(t.Year()))
}

// period spells how long to wait: in seconds, from two minutes on in minutes.
func (v *visit) period(d time.Duration) string {
	if d >= 2*time.Minute {
		return v.text("minutes", "n", strconv.Itoa(int((d+time.Minute-1)/time.Minute)))
	}
	return v.text("seconds", "n", strconv.Itoa(seconds(d)))
}

// chooseLanguage keeps the language that a person has chosen.
func (v *visit) chooseLanguage() error {
	code := v.form["language"]
	if !speaks(code) {
		return refused(http.StatusBadRequest, "error.form")
	}
	v.setCookie(languageCookie, code, v.door.Now().Add(languageLife))
	v.goTo(languageReturn(v.form["return"]))
	return nil
}
