// Package token is what a Propusk IAM token looks like and how any service
// verifies it offline.
package token
