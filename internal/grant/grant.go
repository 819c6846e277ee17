// Package grant owns the secrets by which a program that a person has allowed
// gets its tokens, and what proves that it is the same program: authorization
// codes, PKCE, refresh tokens, device codes, proofs of possession. It decides no
// right and makes no token.
package grant
