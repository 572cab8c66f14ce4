// Writes cells with franz-go: produce BROKERS TOPIC FILE, see work.py.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// transaction is how many records a transaction has, at most.
const transaction = 100

type row struct {
	Key     []byte              `json:"key"`
	Value   []byte              `json:"value"`
	Headers [][]json.RawMessage `json:"headers"`
}

type cell struct {
	Name    string `json:"name"`
	Codec   string `json:"codec"`
	Mode    string `json:"mode"`
	Records []row  `json:"records"`
	Aborted []row  `json:"aborted"`
}

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func write(ctx context.Context, brokers, topic string, c cell) error {
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(20 * time.Millisecond),
		kgo.ProducerBatchCompression(codecs[c.Codec]),
	}
	switch c.Mode {
	case "plain":
		options = append(options, kgo.DisableIdempotentWrite())
	case "transactional":
		options = append(options, kgo.TransactionalID(c.Name))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	if c.Mode != "transactional" {
		return send(ctx, client, c.Records)
	}
	for at := 0; at < len(c.Records); at += transaction {
		if err := transact(ctx, client, c.Records[at:min(at+transaction, len(c.Records))], kgo.TryCommit); err != nil {
			return err
		}
		if at == 0 && len(c.Aborted) > 0 {
			if err := transact(ctx, client, c.Aborted, kgo.TryAbort); err != nil {
				return err
			}
		}
	}
	return nil
}

func transact(ctx context.Context, client *kgo.Client, rows []row, end kgo.TransactionEndTry) error {
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	if err := send(ctx, client, rows); err != nil {
		return err
	}
	return client.EndTransaction(ctx, end)
}

func send(ctx context.Context, client *kgo.Client, rows []row) error {
	records := make([]*kgo.Record, len(rows))
	for i, r := range rows {
		record := &kgo.Record{Key: r.Key, Value: r.Value}
		for _, pair := range r.Headers {
			var header kgo.RecordHeader
			if err := errors.Join(json.Unmarshal(pair[0], &header.Key), json.Unmarshal(pair[1], &header.Value)); err != nil {
				return err
			}
			record.Headers = append(record.Headers, header)
		}
		records[i] = record
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

func main() {
	file, err := os.Open(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	lines := json.NewDecoder(bufio.NewReader(file))
	for {
		var c cell
		if err := lines.Decode(&c); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		if err := write(ctx, os.Args[1], os.Args[2], c); err != nil {
			log.Fatalf("%s: %v", c.Name, err)
		}
	}
}
