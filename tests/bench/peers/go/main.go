// SPDX-License-Identifier: MIT

// net/http and redigo with a pool of connections.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/gomodule/redigo/redis"
)

func main() {
	pool := &redis.Pool{
		MaxIdle:   64,
		MaxActive: 64,
		Wait:      true,
		Dial: func() (redis.Conn, error) {
			return redis.Dial("unix", os.Getenv("REDIS_SOCKET"))
		},
	}
	http.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		conn := pool.Get()
		defer conn.Close()
		number, err := redis.Int64(conn.Do("INCR", "visits"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, "Visitor count: %d", number)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
