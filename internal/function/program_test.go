package function_test

import (
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

func TestProgram(t *testing.T) {
	needs(t, "sh", "bash")
	run := func(script string) *function.Runner {
		r, _ := start(t, func(f *function.Function) {
			f.Timeout = 3 * time.Second
			f.Token = tokens(iamclient.Token{Text: iam.NewSecret("secret"), ExpiresAt: time.Now().Add(time.Hour)})
		}, "sh", "-c", script)
		return r
	}
	wants(t, run("cat"), strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20))
	wants(t, run("printf %s early"), strings.Repeat("x", 1<<20), "early") // it reads nothing
	wants(t, run(`printf %s "$FUNCTION_NAME $FUNCTION_VERSION ${#REQUEST_ID}"`), "", "d4efunction d4eversion 36")
	wants(t, run(`case $(cat "$PROPUSK_CONTEXT") in *'"access_token":"secret","expires_in":35'*) printf yes;; esac`), "", "yes")
	wants(t, run(`env | grep -v _HANDLER | grep -c secret; true`), "", "0\n")
	wants(t, run("printf a; sleep 60 & exit 0"), "", "a") // what it leaves behind keeps nobody waiting
	fails(t, run("exit 3"), "", "BashScriptExecutionError", "exit status 3")
	fails(t, run("kill -9 $$"), "", "BashScriptExecutionError", "signal: killed")
	fails(t, run("head -c 1100000 /dev/zero"), "", "BashScriptReadOutputError", "1048576")
	fails(t, run("trap '' TERM; exec >&-; sleep 60"), "", "TimeoutError", "3s")
	fails(t, run("yes"), "", "BashScriptReadOutputError", "")

	r, _ := start(t, nil, write(t, "fn.sh", "pwd; cat"))
	if got, err := invoke(r, "event"); err != nil || !strings.HasSuffix(got, "\nevent") {
		t.Errorf("%q, %v", got, err)
	}
}
