// Package inventory counts things, for any number of callers at once.
package inventory

import (
	"errors"
	"maps"
	"sync"
)

// ErrNegative says that there cannot be less than nothing of a thing.
var ErrNegative = errors.New("a count cannot be negative")

// Inventory says how many there are of what.
type Inventory struct {
	lock   sync.RWMutex
	counts map[string]int
}

// New is an empty inventory.
func New() *Inventory {
	return &Inventory{counts: map[string]int{}}
}

// All is a copy of what is there.
func (i *Inventory) All() map[string]int {
	i.lock.RLock()
	defer i.lock.RUnlock()
	return maps.Clone(i.counts)
}

// Set says how many there are of a thing.
func (i *Inventory) Set(name string, count int) error {
	if count < 0 {
		return ErrNegative
	}
	i.lock.Lock()
	defer i.lock.Unlock()
	i.counts[name] = count
	return nil
}
