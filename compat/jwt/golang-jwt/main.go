// Command golang-jwt makes a JWT from the key file named in KEY_FILE the way
// the documentation's Go sample does: the audience is a list, nbf is set.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func main() {
	signed, err := signedToken(os.Getenv("KEY_FILE"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signed)
}

func signedToken(keyFile string) (string, error) {
	data, err := os.ReadFile(keyFile)
	if err != nil {
		return "", err
	}
	var key struct {
		ID               string `json:"id"`
		ServiceAccountID string `json:"service_account_id"`
		PrivateKey       string `json:"private_key"`
	}
	if err := json.Unmarshal(data, &key); err != nil {
		return "", fmt.Errorf("read %s: %w", keyFile, err)
	}
	private, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(key.PrivateKey))
	if err != nil {
		return "", fmt.Errorf("private key of %s: %w", keyFile, err)
	}
	now := time.Now().UTC()
	token := jwt.NewWithClaims(jwt.SigningMethodPS256, jwt.RegisteredClaims{
		Issuer:    key.ServiceAccountID,
		ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
		IssuedAt:  jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now),
		Audience:  jwt.ClaimStrings{"https://iam.api.cloud.yandex.net/iam/v1/tokens"},
	})
	token.Header["kid"] = key.ID
	return token.SignedString(private)
}
