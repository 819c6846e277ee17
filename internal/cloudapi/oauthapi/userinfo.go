package oauthapi

import "github.com/propusk/propusk/internal/gate"

var userInfoRules = []gate.Rule{
	{Method: "GetUserInfo", Missing: true},
}

// UserInfos tells a program about its person.
type UserInfos struct{}
