package function_test

import (
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/function"
)

const nodeHandlers = `
let calls = 0;
exports.handler = function (event, context) {
  const what = event && event.do || event;
  switch (what) {
    case 'count': return ++calls;
    case 'pid': return String(process.pid);
    case 'bytes': return Buffer.from([255, 0]);
    case 'promise': return new Promise((resolve) => setTimeout(resolve, 5, { late: true }));
    case 'reject': return Promise.reject(new RangeError('no'));
    case 'text': return Promise.reject('only text');
    case 'undefined': return undefined;
    case 'nothing': return Promise.resolve();
    case 'exit': process.exit(4);
    case 'later': setTimeout(() => { throw new Error('too late'); }, 1); return new Promise(() => {});
    case 'after': setTimeout(() => { throw new Error('after the answer'); }, 50); return 'answered';
    case 'loop': for (;;);
    case 'big': return 'x'.repeat(4 << 20);
    case 'cyclic': { const a = {}; a.a = a; return a; }
    case 'form': return context.getPayload();
    case 'argv': return process.argv.length;
  }
  return { event, token: context.token === undefined };
};
`

func TestNode(t *testing.T) {
	needs(t, "node")
	r, _ := start(t, nil, write(t, "fn.js", nodeHandlers))
	for event, want := range map[string]string{
		`{"do":"bytes"}`: "\xff\x00", `promise`: `{"late":true}`, `nothing`: "null", `argv`: "2",
		`{"a":"п"}`: `{"event":{"a":"п"},"token":true}`, `[`: `{"event":"[","token":true}`, ``: `{"event":"","token":true}`,
		`{"do":"form","headers":{"content-type":"application/x-www-form-urlencoded; charset=utf-8"},"body":"YT0xJmI9Mg==","isBase64Encoded":true}`: `{"a":"1","b":"2"}`,
	} {
		wants(t, r, event, want)
	}
	fails(t, r, "reject", "RangeError", "no")
	fails(t, r, "text", "string", "only text")
	fails(t, r, "undefined", "Error", "Non-async entry point")
	fails(t, r, "cyclic", "TypeError", "circular")
	pid, _ := invoke(r, "pid")
	wants(t, r, strings.Repeat(" ", 3_000_000)+`"count"`, "1")
	wants(t, r, "count", "2")
	wants(t, r, "pid", pid)

	fails(t, r, "exit", "RuntimeExit", "exit status 4")
	fails(t, r, "big", "ResponseTooLarge", "")
	fails(t, r, "later", "Error", "too late")
	wants(t, r, "count", "1") // of another process
	pid, _ = invoke(r, "pid")
	wants(t, r, "after", "answered")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if got, err := invoke(r, "pid"); err == nil && got != pid {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an error that nobody caught has not ended the process")
		}
	}
}

func TestNodeLoop(t *testing.T) {
	needs(t, "node")
	r, _ := start(t, func(f *function.Function) { f.Timeout = 3 * time.Second }, write(t, "fn.js", nodeHandlers))
	fails(t, r, "loop", "TimeoutError", "3s")
	wants(t, r, "count", "1")
}

func TestNodeModules(t *testing.T) {
	needs(t, "node")
	path := write(t, "fn.mjs", "import { sep } from 'node:path';\nconst state = await Promise.resolve('loaded');\nexport default { named: () => state };\nexport const handler = async () => sep;\n")
	r, _ := start(t, nil, path)
	wants(t, r, "", "/")
	r, _ = start(t, nil, strings.TrimSuffix(path, "mjs")+"named")
	wants(t, r, "", "loaded")
	r, _ = start(t, nil, strings.TrimSuffix(path, "mjs")+"other")
	fails(t, r, "", "TypeError", "exports no function")
	r, _ = start(t, nil, write(t, "broken.js", "this is no JavaScript"))
	fails(t, r, "", "SyntaxError", "")
}
