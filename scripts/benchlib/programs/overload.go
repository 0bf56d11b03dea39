// The server of the case overload in Go: /plain at once, /heavy (PBKDF2) behind a semaphore of
// so many places, with a queue before it. Arguments: 127.0.0.1:PORT THREADS QUEUE ITERATIONS; a QUEUE of 0
// has no bound, otherwise what does not fit is refused with 503.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
)

// The first block of PBKDF2 with HMAC-SHA-256 (RFC 8018 5.2); the standard library has it from Go 1.24 on.
func pbkdf2(password, salt []byte, iterations int) []byte {
	mac := hmac.New(sha256.New, password)
	mac.Write(salt)
	mac.Write([]byte{0, 0, 0, 1})
	u := mac.Sum(nil)
	key := append([]byte(nil), u...)
	for i := 1; i < iterations; i++ {
		mac.Reset()
		mac.Write(u)
		u = mac.Sum(u[:0])
		for j := range key {
			key[j] ^= u[j]
		}
	}
	return key
}

// Places for those that run, and a count of all that are there.
type pool struct {
	places chan struct{}
	bound  int64 // of those that run and wait; 0: none
	inside int64
}

// Whether the job was run.
func (p *pool) run(job func()) bool {
	defer atomic.AddInt64(&p.inside, -1)
	if n := atomic.AddInt64(&p.inside, 1); p.bound > 0 && n > p.bound {
		return false
	}
	p.places <- struct{}{}
	defer func() { <-p.places }()
	job()
	return true
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	w.Write([]byte(text))
}

func argument(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		log.Fatal(err)
	}
	return n
}

func main() {
	threads, bound, iterations := argument(2), argument(3), argument(4)
	p := &pool{places: make(chan struct{}, threads)}
	if bound > 0 {
		p.bound = int64(threads + bound)
	}
	http.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, "Hello.\n") })
	http.HandleFunc("/heavy", func(w http.ResponseWriter, r *http.Request) {
		var key []byte
		if p.run(func() { key = pbkdf2([]byte("x"), []byte("y"), iterations) }) {
			answer(w, 200, hex.EncodeToString(key))
		} else {
			answer(w, 503, "busy\n")
		}
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
