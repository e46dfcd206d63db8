// A program that asks C for an answer.
package main

/*
#include <stdio.h>

static int answer(void) { return 6 * 7; }
*/
import "C"

import "fmt"

func main() {
	fmt.Printf("C says %d\n", int(C.answer()))
}
