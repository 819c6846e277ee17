package store

import "time"

// SigningPurpose is what a signing key may sign.
type SigningPurpose string

// The purposes: each has keys of its own.
const (
	PurposeIAM  SigningPurpose = "iam"  // IAM tokens
	PurposeFeed SigningPurpose = "feed" // the revocation feed and the key set
	PurposeRoot SigningPurpose = "root" // certificates of feed keys
	PurposeID   SigningPurpose = "id"   // OpenID Connect ID tokens

	// PurposeSession is session tokens of temporary access keys. Its keys have
	// no public half: who can check a session token can make one.
	PurposeSession SigningPurpose = "session"

	PurposeRegistry     SigningPurpose = "registry"      // tokens for container registries
	PurposeRegistryRoot SigningPurpose = "registry-root" // certificates of those keys
)

// SigningKey is a key of the installation: its public half, and the private
// one sealed.
type SigningKey struct {
	ID           string
	Purpose      SigningPurpose
	Public       []byte
	Sealed       []byte
	CreatedAt    time.Time
	SignsFrom    time.Time
	SignsUntil   time.Time // zero: open
	DistrustedAt time.Time // zero: trusted
}

const signingKeyColumns = `id, purpose, public, sealed, created_at, signs_from, signs_until, distrusted_at`

// LockSigningKeys holds other Updates that call it back until the end of this
// one. Whoever looks which keys there are before adding one calls it first:
// there is no resource above them to lock.
func LockSigningKeys(tx *Tx) error { return SetSetting(tx, "lock.signing-keys", "") }

// InsertSigningKey adds a key.
func InsertSigningKey(tx *Tx, k *SigningKey) error {
	_, err := tx.exec(`INSERT INTO signing_keys (`+signingKeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		k.ID, string(k.Purpose), bytesOrNull(k.Public), bytesOrNull(k.Sealed),
		micros(k.CreatedAt), micros(k.SignsFrom), micros(k.SignsUntil), micros(k.DistrustedAt))
	tx.record(ChangeSigningKeys, "")
	return tx.unlessTaken(err, "Signing key %s already exists", k.ID)
}

// ListSigningKeys returns all keys of a purpose, retired and distrusted ones
// included, in the order in which they begin to sign.
func ListSigningKeys(tx *Tx, purpose SigningPurpose) ([]*SigningKey, error) {
	return collect(tx, scanSigningKey, `SELECT `+signingKeyColumns+` FROM signing_keys
		WHERE purpose = $1 ORDER BY signs_from, id`, string(purpose))
}

// SetSigningKeyWindow writes from when until when a key signs; until zero
// leaves the end open.
func SetSigningKeyWindow(tx *Tx, id string, from, until time.Time) error {
	n, err := tx.exec(`UPDATE signing_keys SET signs_from = $1, signs_until = $2 WHERE id = $3`, micros(from), micros(until), id)
	tx.record(ChangeSigningKeys, "")
	return mustChange(n, err, "Signing key", id)
}

// DistrustSigningKey marks a key as distrusted from now on. A second time
// changes nothing.
func DistrustSigningKey(tx *Tx, id string) error {
	n, err := tx.exec(`UPDATE signing_keys SET distrusted_at = COALESCE(distrusted_at, $1) WHERE id = $2`, micros(tx.now), id)
	tx.record(ChangeSigningKeys, "")
	return mustChange(n, err, "Signing key", id)
}

// DeleteRetiredSigningKeys deletes the keys of a purpose that ended signing
// before a time and returns how many.
func DeleteRetiredSigningKeys(tx *Tx, purpose SigningPurpose, before time.Time) (int64, error) {
	n, err := tx.exec(`DELETE FROM signing_keys WHERE purpose = $1 AND signs_until < $2`, string(purpose), micros(before))
	if n > 0 {
		tx.record(ChangeSigningKeys, "")
	}
	return n, err
}

func scanSigningKey(r Rows) (*SigningKey, error) {
	var k SigningKey
	var purpose string
	err := r.Scan(&k.ID, &purpose, asBytes(&k.Public), asBytes(&k.Sealed),
		asTime(&k.CreatedAt), asTime(&k.SignsFrom), asTime(&k.SignsUntil), asTime(&k.DistrustedAt))
	k.Purpose = SigningPurpose(purpose)
	return &k, err
}
