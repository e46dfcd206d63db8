package inventory

import (
	"errors"
	"testing"
)

func TestCountsAreKept(t *testing.T) {
	items := New()
	if err := items.Set("bolt", 3); err != nil {
		t.Fatal(err)
	}
	if got := items.All()["bolt"]; got != 3 {
		t.Errorf("%d bolts instead of 3", got)
	}
}

func TestLessThanNothingIsRefused(t *testing.T) {
	if err := New().Set("bolt", -1); !errors.Is(err, ErrNegative) {
		t.Errorf("%v instead of %v", err, ErrNegative)
	}
}
