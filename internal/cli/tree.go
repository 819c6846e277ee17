package cli

import (
	"slices"
)

// node is a word of the tree that people know as yc: more words below it, or a
// command. Nodes are data, made when a command line is read.
type node struct {
	word    string
	aliases []string
	summary string
	below   []node
	run     *treeCommand // of a word with nothing below
	service bool         // v0 and v1 may stand below it, before the rest
}

// leaf is a command under its own verb.
func leaf(c command) node {
	return node{word: c.verb, summary: c.summary, run: &treeCommand{command: c}}
}

// root is the whole tree.
func root() node {
	return node{below: []node{
		{word: "init", summary: "sign in and make a profile, step by step", run: initCommand()},
		{word: "config", service: true, summary: "keep profiles: who you are, and where you work", below: configNodes()},
		iamNode(),
		resourceManagerNode(),
		organizationManagerNode(),
		quotaManagerNode(),
		operationNode(),
		kubernetesNode(),
		containerNode(),
		leaf(gitCredential()),
		leaf(dockerCredential()),
		{word: "completion", summary: "print the completion of a shell: bash, zsh, fish or powershell", run: completionCommand()},
		{word: "version", summary: "print the version", run: versionCommand()},
	}}
}

// HasWord tells whether a command of the tree begins with a word.
func HasWord(word string) bool {
	top := root()
	return top.child(word) != nil
}

// child finds a word below, by its name or an alias. The version of a service's
// commands may stand there [API fact: command versions]: both are the same here.
func (n *node) child(word string) *node {
	for i := range n.below {
		if n.below[i].word == word || slices.Contains(n.below[i].aliases, word) {
			return &n.below[i]
		}
	}
	if n.service && (word == "v0" || word == "v1") {
		return &node{word: word, summary: n.summary, below: n.below}
	}
	return nil
}

// iamNode is everything of IAM.
func iamNode() node {
	n := node{word: "iam", service: true, summary: "service accounts, their keys, tokens, roles and people", below: []node{
		leaf(createToken()), leaf(whoami()),
	}}
	for _, c := range iamCommands() {
		n.below = append(n.below, leaf(c))
	}
	n.below = append(n.below, serviceAccountNode(), keyNode(), apiKeyNode(), accessKeyNode(), oauthClientNode(), oauthClientSecretNode(),
		refreshTokenNode(), roleNode(), userAccountNode(), subjectDetailsNode(), serviceControlNode(), accessPolicyTemplateNode(), accessAnalyzerNode())
	return n
}
