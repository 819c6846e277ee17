package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// completeWord is the hidden word by which a shell asks what may come next.
const completeWord = "__complete"

// shells are the scripts that ask this program; NAME is how it is called.
var shells = map[string]string{
	"bash": `_NAME_complete() {
    local IFS=$'\n'
    COMPREPLY=($(NAME __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _NAME_complete NAME
`,
	"zsh": `#compdef NAME
_NAME_complete() {
    local -a found
    local line
    for line in "${(@f)$(NAME __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( ${#found} )) && _describe 'NAME' found || _files
}
compdef _NAME_complete NAME
`,
	"fish": `function _NAME_complete
    set -l words (commandline -opc) (commandline -ct)
    NAME __complete $words[2..-1] 2>/dev/null
end
complete -c NAME -a '(_NAME_complete)'
`,
	"powershell": `Register-ArgumentCompleter -Native -CommandName NAME -ScriptBlock {
    param($word, $tree, $position)
    $words = @($tree.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if (-not $word) { $words += '""' }
    NAME __complete @words 2>$null | ForEach-Object {
        $part = $_ -split [char]9, 2
        [System.Management.Automation.CompletionResult]::new($part[0], $part[0], 'ParameterValue', $(if ($part[1]) { $part[1] } else { $part[0] }))
    }
}
`,
}

func completionCommand() *treeCommand {
	return &treeCommand{command: command{verb: "completion", needs: nothing, takes: "bash|zsh|fish|powershell", summary: "print the completion of a shell: bash, zsh, fish or powershell; give it to your shell, such as by: source <(yc completion bash)",
		flags: func(f *flag.FlagSet) action {
			return func(_ context.Context, s *session, args []string) error {
				if len(args) != 1 || shells[args[0]] == "" {
					return misuse("name one shell: bash, zsh, fish or powershell")
				}
				program, _, _ := strings.Cut(f.Name(), " ")
				_, err := io.WriteString(s.env.Stdout, strings.ReplaceAll(shells[args[0]], "NAME", program))
				return err
			}
		}}}
}

// complete prints what may come next, one a line with what it means after a
// tab. The last of args is the word that is being typed.
func complete(env *Environment, args []string) error {
	if len(args) == 0 {
		args = []string{""}
	}
	typed := strings.Trim(args[len(args)-1], `"`)
	top := root()
	at := &top
	for i, words := 0, args[:len(args)-1]; i < len(words) && at.run == nil; i++ {
		if strings.HasPrefix(words[i], "-") {
			if n, err := globalFlag(words[i:]); err == nil {
				i += n - 1
			}
			continue
		}
		if at = at.child(words[i]); at == nil {
			return nil
		}
	}
	for _, c := range at.below {
		if strings.HasPrefix(c.word, typed) {
			fmt.Fprintf(env.Stdout, "%s\t%s\n", c.word, c.summary)
		}
	}
	if !strings.HasPrefix(typed, "-") {
		return nil
	}
	f := flag.NewFlagSet("", flag.ContinueOnError)
	if at.run != nil {
		at.run.flags(f)
		if at.run.changes {
			f.Bool("async", false, "print the operation instead of waiting for its end")
		}
	}
	new(session).declare(f)
	var all []string
	f.VisitAll(func(v *flag.Flag) {
		if name := "--" + v.Name; len(v.Name) > 1 && strings.HasPrefix(name, typed) {
			all = append(all, name+"\t"+v.Usage)
		}
	})
	slices.Sort(all)
	for _, line := range all {
		fmt.Fprintln(env.Stdout, line)
	}
	return nil
}

func versionCommand() *treeCommand {
	return &treeCommand{command: command{verb: "version", summary: "print the version", needs: nothing, flags: func(*flag.FlagSet) action {
		return func(_ context.Context, s *session, _ []string) error {
			_, err := fmt.Fprintln(s.env.Stdout, s.env.Version)
			return err
		}
	}}}
}
