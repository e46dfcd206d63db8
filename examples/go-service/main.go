// A small microservice that keeps an inventory in memory and answers JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example-go-service/inventory"
)

// Set by the linker.
var version = "development"

func main() {
	check := flag.Bool("check", false, "ask the service on PORT whether it is well, and say so with the exit code")
	flag.Parse()
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	if *check {
		os.Exit(isWell(port))
	}
	if err := serve(port); err != nil {
		log.Fatal(err)
	}
}

// isWell is the health check of an image that has no other program: 0 if the service answers.
func isWell(port string) int {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get("http://127.0.0.1:" + port + "/healthz")
	if err != nil {
		return 1
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}

func serve(port string) error {
	server := &http.Server{Addr: ":" + port, Handler: routes(inventory.New()), ReadHeaderTimeout: 5 * time.Second}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	finished := make(chan error, 1)
	go func() {
		<-stop.Done()
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		finished <- server.Shutdown(grace)
	}()
	log.Printf("version %s listens on %s", version, port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}

func routes(items *inventory.Inventory) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"name": "example-go-service", "version": version, "items": items.All()})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("PUT /items/{name}", func(w http.ResponseWriter, r *http.Request) {
		var count int
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64)).Decode(&count); err != nil {
			http.Error(w, "the body has to be a number", http.StatusBadRequest)
			return
		}
		if err := items.Set(r.PathValue("name"), count); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Print(err)
	}
}
