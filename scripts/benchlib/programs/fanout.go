// The server of the case fanout in Go: GET / asks an upstream for four parts at once, over connections
// that are kept, and joins them into one JSON object. Arguments: 127.0.0.1:PORT UPSTREAM PATH, where UPSTREAM
// is http://127.0.0.1:PORT.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

var names = [...]string{"p0", "p1", "p2", "p3"}

var upstream = &http.Client{
	Timeout:   5 * time.Second,
	Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 256, DisableCompression: true},
}

// One part, which has to be JSON.
func ask(url string) (json.RawMessage, error) {
	response, err := upstream.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || !json.Valid(body)) {
		err = errors.New("not what was asked for")
	}
	return body, err
}

func main() {
	url := os.Args[2] + os.Args[3]
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		var parts [len(names)]json.RawMessage
		var errs [len(names)]error
		var all sync.WaitGroup
		all.Add(len(names))
		for i := range names {
			go func(i int) {
				defer all.Done()
				parts[i], errs[i] = ask(url)
			}(i)
		}
		all.Wait()
		joined := make(map[string]json.RawMessage, len(names))
		for i, name := range names {
			if errs[i] != nil {
				http.Error(w, "a part failed", http.StatusBadGateway)
				return
			}
			joined[name] = parts[i]
		}
		text, err := json.Marshal(joined)
		if err != nil {
			http.Error(w, "a part failed", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.Write(text)
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
