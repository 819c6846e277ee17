package iam

import (
	"context"
	"strings"
	"sync"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	subjectpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/iam"
)

// What a filter may cost. The units are those of the CEL library: about one for
// each step, and for each ten characters that are looked at.
const (
	filterTokens      = 2_000 // words and signs; strings count by their words
	filterParentheses = 100
	filterDepth       = 32
	filterNodes       = 2_000
	filterNesting     = 2 // comprehensions in each other: groups in groups
	filterRegex       = 500
	filterCost        = 20_000 // for one subject
	filterMemory      = 1 << 20
	filterCostOfPage  = 1_000_000 // together, after which a page ends
	filterInterrupt   = 100       // steps of a comprehension between looks at the clock
)

// subjectFilter is a filter in CEL over yandex.cloud.iam.Subject: its fields
// are variables, and so is the whole, as subject. Enumerations are spelled
// SubjectType.USER_ACCOUNT. The nil filter lets everything pass.
type subjectFilter struct {
	program cel.Program
	spent   uint64
}

var subjectFields = (*subjectpb.Subject)(nil).ProtoReflect().Descriptor().Fields()

var filterEnv = sync.OnceValues(func() (*cel.Env, error) {
	whole := (*subjectpb.Subject)(nil).ProtoReflect().Descriptor()
	return cel.NewEnv(
		cel.Types(&subjectpb.Subject{}),
		cel.Container(string(whole.ParentFile().Package())),
		cel.DeclareContextProto(whole),
		cel.Variable("subject", cel.ObjectType(string(whole.FullName()))),
		cel.ParserRecursionLimit(filterDepth), cel.ParserErrorRecoveryLimit(4),
		cel.ExpressionNodeLimit(filterNodes), cel.ExpressionNestingDepthLimit(filterDepth), cel.RegexProgramSizeLimit(filterRegex),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals(),
			cel.ValidateComprehensionNestingLimit(filterNesting)),
	)
})

// newSubjectFilter reads a filter; what is wrong with it is INVALID_ARGUMENT.
func newSubjectFilter(text string) (*subjectFilter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if err := simpleEnough(text); err != nil {
		return nil, err
	}
	env, err := filterEnv()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, badFilter(issues.Err())
	}
	if ast.OutputType() != cel.BoolType {
		return nil, iam.InvalidField("filter", "must say true or false of a subject, not give a %s", ast.OutputType())
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(filterCost),
		cel.MemoryLimit(filterMemory), cel.InterruptCheckFrequency(filterInterrupt))
	if err != nil {
		return nil, badFilter(err)
	}
	return &subjectFilter{program: program}, nil
}

// simpleEnough refuses a text that the parser would ponder for long: reading
// what the API's length allows can take it seconds. It looks at words and signs
// without minding where strings begin, so nothing can hide from it.
func simpleEnough(text string) error {
	tokens, word := 0, false
	for _, r := range text {
		was := word
		word = r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
		if !unicode.IsSpace(r) && !(word && was) {
			tokens++
		}
	}
	if tokens > filterTokens {
		return iam.InvalidField("filter", "at most %d words and signs", filterTokens)
	}
	if strings.Count(text, "(") > filterParentheses {
		return iam.InvalidField("filter", "at most %d parentheses", filterParentheses)
	}
	return nil
}

// badFilter is the refusal of a filter in the library's words: the first thing
// that is wrong, after its line and column where it has a place.
func badFilter(err error) error {
	text, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "ERROR: <input>:"), "-1:0: ")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return iam.InvalidField("filter", "%s", strings.ToValidUTF8(text, "?"))
}

// matches tells whether a subject passes. What cannot be said of this subject
// is INVALID_ARGUMENT, as is what costs too much to say.
func (f *subjectFilter) matches(ctx context.Context, s *subjectpb.Subject) (bool, error) {
	if f == nil {
		return true, nil
	}
	out, details, err := f.program.ContextEval(ctx, subjectActivation{s})
	if cost := details.ActualCost(); cost != nil {
		f.spent += *cost
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return false, badFilter(err)
	}
	return out == types.True, nil
}

// exhausted tells that no more subjects are to be looked at in this call.
func (f *subjectFilter) exhausted() bool { return f != nil && f.spent >= filterCostOfPage }

var errFilterCost = iam.InvalidField("filter", "costs too much for so many subjects; ask for fewer, or more simply")

// subjectActivation gives the variables of a filter their values.
type subjectActivation struct{ s *subjectpb.Subject }

func (a subjectActivation) Parent() cel.Activation { return nil }

func (a subjectActivation) ResolveName(name string) (any, bool) {
	if name == "subject" {
		return a.s, true
	}
	fd := subjectFields.ByName(protoreflect.Name(name))
	if fd == nil {
		return nil, false
	}
	m := a.s.ProtoReflect()
	switch {
	case fd.IsList():
		return a.s.GetGroups(), true
	case fd.Kind() == protoreflect.EnumKind:
		return int64(m.Get(fd).Enum()), true
	case fd.Kind() == protoreflect.MessageKind && !m.Has(fd):
		return m.NewField(fd).Message().Interface(), true // as a field of the whole reads
	case fd.Kind() == protoreflect.MessageKind:
		return m.Get(fd).Message().Interface(), true
	}
	return m.Get(fd).Interface(), true
}
