package store

// ChangeEpoch is what BeginEpoch leaves in the feed. Readers do not know it and
// so forget everything, which is right: history may have been replaced.
const ChangeEpoch ChangeKind = "epoch"

// BeginEpoch moves the feed's position on to the microseconds of the clock, if
// it is behind them. A server calls it when it starts: when its data was put
// back from an older copy, tokens of the lost time may be about that carry
// positions the copy has not reached, and a revocation must outrank them all.
// One change takes longer than a microsecond, so no lost position is higher.
func BeginEpoch(tx *Tx) error {
	_, err := tx.exec(`UPDATE feed_head SET seq = $1 WHERE seq < $1`, tx.now.UnixMicro())
	tx.record(ChangeEpoch, "")
	return err
}
