package signin

// For the tests of this package alone.
var (
	ParsePHC   = parsePHC
	TOTPCode   = totpCode
	DelayAfter = delayAfter
)

const (
	FreeAttempts    = freeAttempts
	LockedAttempts  = lockedAttempts
	LongestDelay    = longestDelay
	FreeFromAddress = freeFromAddress
	FreeFromSite    = freeFromSite
	MostAddresses   = mostAddresses
)

// Watch runs look around every computation of a hasher.
func (h *Hasher) Watch(look func(compute func())) { h.compute = look }

// Remembered is how many addresses are.
func (a *Addresses) Remembered() int { return len(a.seen) }

// Holders is how many networks and people hold places.
func (h *Hasher) Holders() int { return len(h.room.held) }
