package store

// Names of settings.
const (
	SettingInstallation = "installation" // the installation's id, written once
	SettingDev          = "dev"          // set in a database that the development server made: never served for real
)

// GetSetting returns a setting's value; false when it is not set.
func GetSetting(tx *Tx, name string) (string, bool, error) {
	var value string
	found, err := tx.one(`SELECT value FROM settings WHERE name = $1`, []any{name}, &value)
	return value, found, err
}

// SetSetting writes a setting.
func SetSetting(tx *Tx, name, value string) error {
	_, err := tx.exec(`INSERT INTO settings (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}
