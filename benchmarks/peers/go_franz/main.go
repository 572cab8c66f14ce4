// A consumer as a good Go engineer writes it: franz-go, net/http, a goroutine for each call, a window of calls at once.
//
// Does what the Python peers do (benchmarks/peers/common.py), with the same request bytes. Offsets are committed once
// a second, up to the first record that is in flight, and in order when partitions move or the process ends.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	commitEvery  = time.Second
	endingWithin = 20 * time.Second
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	desk, err := newDesk()
	if err != nil {
		return err
	}
	inFlight, err := strconv.Atoi(os.Getenv("BENCH_IN_FLIGHT"))
	if err != nil {
		return err
	}
	stopped, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()

	window := newWindow(inFlight)
	// Partitions are given away settled: no rebalance ends before what was polled is delivered and committed.
	giveAway := func(_ context.Context, client *kgo.Client, partitions map[string][]int32) {
		window.calls.Wait()
		ctx, done := context.WithTimeout(context.Background(), endingWithin)
		defer done()
		if err := client.CommitMarkedOffsets(ctx); err != nil {
			log.Printf("commit before partitions are given away: %v", err)
		}
		window.forget(partitions)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("BENCH_BROKERS")),
		kgo.ConsumerGroup(os.Getenv("BENCH_GROUP")),
		kgo.ConsumeTopics(os.Getenv("BENCH_TOPIC")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(commitEvery),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(giveAway),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			window.calls.Wait()
			window.forget(partitions)
		}),
	)
	if err != nil {
		return err
	}
	partner := newPartner(desk, inFlight)
	retryTopic := os.Getenv("BENCH_RETRY_TOPIC")

	for stopped.Err() == nil {
		fetches := client.PollRecords(stopped, inFlight)
		fetches.EachError(func(topic string, partition int32, err error) {
			if stopped.Err() == nil {
				log.Printf("%s/%d: %v", topic, partition, err)
			}
		})
		fetches.EachRecord(func(record *kgo.Record) {
			window.enter(record)
			go func() {
				// What could not be settled keeps its place, and its partition's commits end before it.
				if err := deliver(desk, partner, client, retryTopic, record); err != nil {
					log.Printf("%s/%d/%d: %v", record.Topic, record.Partition, record.Offset, err)
					window.abandon()
					return
				}
				window.leave(client, record)
			}()
		})
		client.AllowRebalance()
	}
	window.calls.Wait()
	ctx, done := context.WithTimeout(context.Background(), endingWithin)
	defer done()
	err = client.CommitMarkedOffsets(ctx)
	client.CloseAllowingRebalance()
	return err
}

// deliver tells the partner, or leaves the event to the retry topic.
func deliver(desk *desk, partner *http.Client, client *kgo.Client, retryTopic string, record *kgo.Record) error {
	request, err := desk.request(record.Value)
	if err != nil {
		return err
	}
	if desk.isTold(partner, request) {
		return nil
	}
	retry := &kgo.Record{Topic: retryTopic, Key: []byte(request.order), Value: record.Value}
	return client.ProduceSync(context.Background(), retry).FirstErr()
}

// window knows what is in flight, and up to where each partition is settled.
type window struct {
	room  chan struct{}
	calls sync.WaitGroup

	mutex sync.Mutex
	open  map[int32][]*entry
}

type entry struct {
	record  *kgo.Record
	settled bool
}

func newWindow(size int) *window {
	return &window{room: make(chan struct{}, size), open: make(map[int32][]*entry)}
}

// enter waits for room, then notes a record as in flight.
func (w *window) enter(record *kgo.Record) {
	w.room <- struct{}{}
	w.calls.Add(1)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.open[record.Partition] = append(w.open[record.Partition], &entry{record: record})
}

// leave notes a record as settled, and marks what is settled without a gap for the next commit.
func (w *window) leave(client *kgo.Client, record *kgo.Record) {
	defer w.abandon()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	entries := w.open[record.Partition]
	// Offsets may have gaps, but grow: the place is at most as far from the first as the offsets are.
	at := min(int(record.Offset-entries[0].record.Offset), len(entries)-1)
	for entries[at].record != record {
		at--
	}
	entries[at].settled = true
	var last *kgo.Record
	for len(entries) > 0 && entries[0].settled {
		last, entries = entries[0].record, entries[1:]
	}
	w.open[record.Partition] = entries
	if last != nil {
		client.MarkCommitRecords(last)
	}
}

func (w *window) abandon() {
	<-w.room
	w.calls.Done()
}

func (w *window) forget(partitions map[string][]int32) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, numbers := range partitions {
		for _, number := range numbers {
			delete(w.open, number)
		}
	}
}
