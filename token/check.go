package token

import "strings"

// validID tells whether s is 1 to limit printable ASCII characters without spaces.
func validID(s string, limit int) bool {
	if len(s) == 0 || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func maxSubjectID(subjectType string) int {
	if subjectType == SubjectServiceAccount {
		return MaxID
	}
	return MaxUserID
}

func maxDependencyID(k Kind) int {
	if k == KindSubject {
		return MaxUserID
	}
	return MaxID
}

// checkTimes says what is wrong with a life given in Unix milliseconds, or "".
func checkTimes(issued, expires int64) string {
	switch {
	case issued <= 0 || expires > maxMilli:
		return "a time is out of range"
	case expires <= issued:
		return "it expires before it is issued"
	case expires-issued > MaxLife.Milliseconds():
		return "it lives longer than 12 hours"
	}
	return ""
}

// compareDependencies orders by kind, then by the bytes of the id.
func compareDependencies(a, b Dependency) int {
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	return strings.Compare(a.ID, b.ID)
}
