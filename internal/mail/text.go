package mail

import (
	"strings"
	"time"
)

// Kind is what a letter is about.
type Kind string

// The kinds of letters.
const (
	Invitation  Kind = "invitation"   // somebody was invited to make an account
	SignUp      Kind = "sign_up"      // a mailbox is to be that of a new account
	SignUpTaken Kind = "sign_up_none" // the same, and it is that of an account already
	Reset       Kind = "reset"        // a password was forgotten
	Trial       Kind = "trial"        // the operator looks whether letters arrive
)

// Words are what a letter says beside its text. None of them is something that a
// stranger has typed: letters must not carry others' messages.
type Words struct {
	Site    string // the address of the pages, as people type it
	Link    string
	Login   string // of the account that the letter is about
	Expires time.Time
}

type text struct{ subject, body string }

// Languages that letters are written in; others get the first.
var languages = []string{"en", "ru"}

// Write writes a letter to a mailbox in a language.
func Write(to, language string, kind Kind, w Words) *Letter {
	table := texts[languages[0]]
	if t := texts[language]; t != nil {
		table = t
	}
	fill := strings.NewReplacer("{site}", w.Site, "{host}", hostOf(w.Site), "{link}", w.Link, "{login}", w.Login,
		"{until}", w.Expires.UTC().Format("2006-01-02 15:04")+" UTC")
	t := table[kind]
	return &Letter{To: to, Subject: fill.Replace(t.subject), Text: fill.Replace(t.body)}
}

func hostOf(site string) string {
	_, host, ok := strings.Cut(site, "://")
	if !ok {
		host = site
	}
	host, _, _ = strings.Cut(host, "/")
	return host
}

var texts = map[string]map[Kind]text{
	"en": {
		Invitation: {"Your invitation to {host}", `Hello,

you are invited to make an account at {site}
Choose your login and password here:

{link}

The link works once, until {until}.
If you do not know what this is about, do nothing: there is no account without you.
`},
		SignUp: {"Confirm your e-mail address for {host}", `Hello,

somebody, most likely you, wants to make an account with this e-mail address at {site}
Go on here:

{link}

The link works once, until {until}.
If it was not you, do nothing: there is no account without you.
`},
		SignUpTaken: {"You have an account at {host} already", `Hello,

somebody, most likely you, wants to make an account with this e-mail address at {site}
There is one already. Its login is {login}

Sign in here, or ask there for a link to set a new password:

{link}

If it was not you, do nothing: nothing has changed.
`},
		Reset: {"A new password for {host}", `Hello,

somebody, most likely you, has forgotten the password of your account {login} at {site}
Set a new one here:

{link}

The link works once, until {until}. Give it to nobody.
If it was not you, do nothing: your password has not changed.
`},
		Trial: {"A letter from {host}", `Hello,

this letter shows that {site} can send mail to you. Nothing else is to be done.
`},
	},
	"ru": {
		Invitation: {"Приглашение на {host}", `Здравствуйте!

Вас приглашают создать аккаунт на {site}
Выберите логин и пароль здесь:

{link}

Ссылка действует один раз, до {until}.
Если вы не знаете, о чём речь, ничего не делайте: без вас аккаунта не будет.
`},
		SignUp: {"Подтвердите почту для {host}", `Здравствуйте!

Кто-то, скорее всего вы, создаёт аккаунт с этим адресом на {site}
Продолжите здесь:

{link}

Ссылка действует один раз, до {until}.
Если это были не вы, ничего не делайте: без вас аккаунта не будет.
`},
		SignUpTaken: {"У вас уже есть аккаунт на {host}", `Здравствуйте!

Кто-то, скорее всего вы, создаёт аккаунт с этим адресом на {site}
Такой аккаунт уже есть. Его логин: {login}

Войдите здесь или попросите там же ссылку, чтобы задать новый пароль:

{link}

Если это были не вы, ничего не делайте: ничего не изменилось.
`},
		Reset: {"Новый пароль для {host}", `Здравствуйте!

Кто-то, скорее всего вы, забыл пароль вашего аккаунта {login} на {site}
Задайте новый здесь:

{link}

Ссылка действует один раз, до {until}. Никому её не давайте.
Если это были не вы, ничего не делайте: пароль не изменился.
`},
		Trial: {"Письмо от {host}", `Здравствуйте!

Это письмо показывает, что {site} может писать вам. Больше ничего делать не нужно.
`},
	},
}
