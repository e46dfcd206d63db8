// Checks what programs expect of a root file system: users, certificates, time zones, a directory for temporary files.
package main

import (
	"crypto/x509"
	"log"
	"net"
	"os"
	"os/user"
	"strconv"
	"time"
)

func main() {
	if uid := strconv.Itoa(os.Getuid()); uid != os.Args[1] {
		log.Fatalf("runs as %s, not as %s", uid, os.Args[1])
	}
	if _, err := user.LookupId(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	if pool, err := x509.SystemCertPool(); err != nil || pool.Equal(x509.NewCertPool()) {
		log.Fatal("no certificates: ", err)
	}
	if _, err := time.LoadLocation("Europe/Berlin"); err != nil {
		log.Fatal(err)
	}
	if _, err := os.CreateTemp("", "probe"); err != nil {
		log.Fatal(err)
	}
	if _, err := net.LookupPort("tcp", "https"); err != nil {
		log.Fatal(err)
	}
}
