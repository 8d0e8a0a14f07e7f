#!/usr/bin/env python3
"""What the kill loop of stateful queries feeds them: events into a topic, marks into files.

  stateful_events.py feed --bootstrap ADDRESS --marks DIR --seed S --rate R --most N

As a program it sends until it reads a line on its standard input, then the two rounds of rows that move every
watermark to the end (one a line read), and says how much it has sent as JSON. Event and mark number i follow from
the seed alone: event_of() and mark_of() say what the answers have to be.
"""
import argparse
import json
import os
import random
import sys
import threading
import time

TOPIC = "events"
PARTITIONS = 3
START_S = 1_700_000_000
FLUSH_S = START_S + 30 * 86_400  # later than any event
EVENTS_A_FILE = 40


def event_of(seed, i):
    """Event i, and how often it is sent."""
    chance = random.Random(seed * 1_000_003 + i)
    event = {"id": i, "k": f"k{chance.randrange(17)}", "at": START_S + i + chance.randrange(-20, 21), "v": chance.randrange(1000)}
    return event, 1 + (chance.random() < 0.1)


def mark_of(seed, i):
    """The mark of event i, some seconds away from it; None: it has none."""
    chance = random.Random(seed * 7_000_003 + i)
    if chance.random() < 0.4:
        return None
    return {"mark": i, "at": event_of(seed, i)[0]["at"] + chance.randrange(-9, 10), "w": chance.randrange(100)}


def text_of(row):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["at"]))
    return json.dumps({**row, "at": at})


class Feeder:
    def __init__(self, bootstrap, marks, seed):
        from confluent_kafka import Producer
        self.producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 2})
        self.marks, self.seed = marks, seed
        self.sent, self.files = 0, 0
        self.chance = random.Random(seed)
        self.again = []  # copies that follow some events later

    def send(self, row):
        self.producer.produce(TOPIC, text_of(row), partition=self.chance.randrange(PARTITIONS))

    def write_marks(self, rows):
        name = f"{self.files:06}.json"
        self.files += 1
        hidden = os.path.join(self.marks, "." + name)
        with open(hidden, "w") as f:
            f.writelines(text_of(row) + "\n" for row in rows)
        os.rename(hidden, os.path.join(self.marks, name))

    def step(self):
        """The next events, their copies, and the file with their marks."""
        batch = range(self.sent, self.sent + EVENTS_A_FILE)
        for i in batch:
            event, times = event_of(self.seed, i)
            self.send(event)
            if times > 1:
                self.again.append((i + self.chance.randrange(1, 30), event))
            for due in [one for one in self.again if one[0] <= i]:
                self.again.remove(due)
                self.send(due[1])
        self.flush()
        self.write_marks([mark for i in batch if (mark := mark_of(self.seed, i))])
        self.sent += EVENTS_A_FILE

    def finish(self, round_):
        for _, event in self.again:
            self.send(event)
        self.again = []
        for partition in range(PARTITIONS):
            late = {"id": -1 - partition - 10 * round_, "k": "end", "at": FLUSH_S + round_ * 86_400, "v": 0}
            self.producer.produce(TOPIC, text_of(late), partition=partition)
        self.write_marks([{"mark": -100 - round_, "at": FLUSH_S + round_ * 86_400, "w": 0}])
        self.flush()

    def flush(self):
        if left := self.producer.flush(60):
            raise SystemExit(f"{left} events were not acknowledged within a minute")


def feed(options):
    feeder = Feeder(options.bootstrap, options.marks, options.seed)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    while not stop.wait(EVENTS_A_FILE / options.rate):
        if feeder.sent < options.most:
            feeder.step()
    for round_ in range(2):
        feeder.finish(round_)
        print(json.dumps({"events": feeder.sent, "files": feeder.files}), flush=True)
        if round_ == 0 and not sys.stdin.readline():
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["feed"])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--marks", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--most", type=int, required=True, help="events in all")
    feed(parser.parse_args())


if __name__ == "__main__":
    main()
