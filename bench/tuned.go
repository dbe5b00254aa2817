// SPDX-License-Identifier: MIT

// COUNT 500, one XACK for a batch, with redigo. usage: tuned-go SOCKET
package main

import (
	"log"
	"os"

	"github.com/gomodule/redigo/redis"
)

func handle(fields map[string]string) {
}

// The acknowledgement of a reply's entries, each of which is handled.
func handleAll(stream string, entries []interface{}) ([]interface{}, error) {
	ack := redis.Args{}.Add(stream, "bench")
	for _, entry := range entries {
		parts, err := redis.Values(entry, nil)
		if err != nil {
			return nil, err
		}
		fields, err := redis.StringMap(parts[1], nil)
		if err != nil {
			return nil, err
		}
		handle(fields)
		ack = append(ack, parts[0])
	}
	return ack, nil
}

func turn(connection redis.Conn) error {
	replies, err := redis.Values(connection.Do("XREADGROUP", "GROUP", "bench", "bench", "COUNT", 500,
		"BLOCK", 5000, "STREAMS", "bench", ">"))
	if err == redis.ErrNil {
		return nil
	}
	if err != nil {
		return err
	}
	for _, reply := range replies {
		parts, _ := redis.Values(reply, nil)
		entries, _ := redis.Values(parts[1], nil)
		ack, err := handleAll("bench", entries)
		if err != nil {
			return err
		}
		if _, err := connection.Do("XACK", ack...); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	connection, err := redis.Dial("unix", os.Args[1])
	for err == nil {
		err = turn(connection)
	}
	log.Fatal(err)
}
