// Package gate is the corridor that every call walks, whatever door it came
// through: rule → prove → validate → permit → act → record. One row per
// method says what each step needs; a method without a row does not start.
//
// It owns the order of the steps, the errors' way to the wire and the line
// that a call leaves behind. It knows nothing about any particular service.
package gate
