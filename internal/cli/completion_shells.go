package cli

import (
	"context"
	"flag"
	"io"
	"strings"
)

// shells are the scripts that ask this program; NAME is how it is called. What
// it answers is never evaluated, and where it answers nothing, shells offer
// files.
var shells = map[string]string{
	// Without mapfile, which the bash of macOS has not; words come apart at =,
	// so that only what follows it is offered.
	"bash": `_NAME_complete() {
    local line cut=
    COMPREPLY=()
    if [[ ${COMP_WORDS[COMP_CWORD]} == "=" || ${COMP_WORDS[COMP_CWORD-1]} == "=" ]]; then cut=1; fi
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        if [[ -n $cut ]]; then line=${line#*=}; fi
        COMPREPLY+=("$line")
    done < <(NAME __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
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
    if (( ${#found} )); then
        _describe -V 'NAME' found
    else
        _files
    fi
}
compdef _NAME_complete NAME
`,
	"fish": `function _NAME_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (NAME __complete $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c NAME -f -a '(_NAME_complete)'
`,
	// What stands after the cursor does not count. An empty word is written '""',
	// because older versions drop it on the way to a program.
	"powershell": `Register-ArgumentCompleter -Native -CommandName NAME -ScriptBlock {
    param($word, $tree, $position)
    $words = @($tree.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $position } | ForEach-Object { $_.ToString() })
    $words += $(if ($word) { $word } else { '""' })
    NAME __complete @words 2>$null | ForEach-Object {
        $part = $_ -split [char]9, 2
        $meaning = $(if ($part[1]) { $part[1] } else { $part[0] })
        [System.Management.Automation.CompletionResult]::new($part[0], $part[0], 'ParameterValue', $meaning)
    }
}
`,
}

func completionCommand() *treeCommand {
	return &treeCommand{command: command{verb: "completion", needs: nothing, takes: "bash|zsh|fish|powershell", summary: "print the completion of a shell: bash, zsh, fish or powershell",
		example: "bash >~/.local/share/bash-completion/completions/yc\nzsh >~/.zfunc/_yc\nfish >~/.config/fish/completions/yc.fish",
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
