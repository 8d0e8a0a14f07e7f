"""--metrics-listen: what Prometheus finds, scraped over HTTP from running programs and read as the text format demands."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from weir_programs import WEIR, weir_hub

SECONDS = 60
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)')


def parse(text):
    """{(name, labels): value}; checks what the format asks for: each family once, its HELP and TYPE before its samples, no series
    twice, cumulative buckets that end with +Inf and agree with _count."""
    assert text.endswith("\n")
    family, kind, seen, samples, buckets = None, None, set(), {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in seen, f"{family} comes twice"
            seen.add(family)
            kind = None
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and kind in ("counter", "gauge", "histogram"), line
        else:
            match = SAMPLE.match(line)
            assert match and kind, line
            name, labels, value = match[1], match[2] or "", float(match[3])
            suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            assert name in [family + suffix for suffix in suffixes], line
            found = LABEL.findall(labels)
            assert "".join(f'{key}="{text}",' for key, text in found) == (labels + "," if labels else ""), line
            if kind == "counter":
                assert family.endswith("_total") and value >= 0, line
            key = (name, frozenset(found))
            assert key not in samples, line
            samples[key] = value
            if name.endswith("_bucket"):
                of = frozenset(pair for pair in found if pair[0] != "le")
                buckets.setdefault((family, of), []).append((dict(found)["le"], value))
    for (family, of), counts in buckets.items():
        values = [value for _, value in counts]
        assert values == sorted(values) and counts[-1][0] == "+Inf", family
        assert samples[family + "_count", of] == values[-1], family
    return samples


def scrape(url):
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return parse(answer.read().decode())


def value(samples, metric, **labels):
    found = [number for (key, own), number in samples.items() if key == metric and set(labels.items()) <= set(own)]
    assert len(found) == 1, (metric, labels, found)
    return found[0]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError("nothing of what was waited for within a minute")


@pytest.fixture
def ingest(tmp_path):
    """An ingest of a folder of JSON files; (its metrics' address, the folder)."""
    folder = tmp_path / "in"
    folder.mkdir()
    process = subprocess.Popen(
        [WEIR, "ingest", "--from", str(folder), "--format", "json", "--schema", "n BIGINT", "--to", str(tmp_path / "table"), "--checkpoint",
         str(tmp_path / "checkpoint"), "--trigger", "0s", "--name", 'odd "name"\\', "--metrics-listen", "127.0.0.1:0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        yield re.match(r"metrics at (http://127\.0\.0\.1:\d+/metrics)$", line)[1], folder
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def put(folder, name, rows):
    part = folder.parent / name
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    part.rename(folder / name)


def test_a_query_counts_its_rows(ingest):
    url, folder = ingest
    put(folder, "a.json", [{"n": 1}, {"n": 2}, {"n": "none"}])
    samples = until(lambda: (now := scrape(url)) and value(now, "weir_query_batches_total") == 1 and now)
    assert value(samples, "weir_queries_active") == 1
    assert value(samples, "weir_query_active", name='odd \\"name\\"\\\\') == 1
    assert value(samples, "weir_query_failed") == 0
    assert value(samples, "weir_query_starts_total") == 1
    assert value(samples, "weir_query_input_rows_total") == 3
    assert value(samples, "weir_query_output_rows_total") == 3
    assert value(samples, "weir_query_corrupt_rows_total") == 1
    assert value(samples, "weir_query_last_batch_id") == 0
    assert value(samples, "weir_query_trigger_seconds_count") == 1
    assert value(samples, "weir_query_phase_seconds_total", phase="addBatch") > 0
    assert abs(value(samples, "weir_query_last_batch_timestamp_seconds") - time.time()) < 3600
    assert value(samples, "process_resident_memory_bytes") > 1e6
    assert abs(value(samples, "process_start_time_seconds") - time.time()) < 3600
    put(folder, "b.json", [{"n": 4}])
    until(lambda: value(scrape(url), "weir_query_input_rows_total") == 4)


def test_what_is_not_there_is_refused(ingest):
    url, _ = ingest
    with pytest.raises(urllib.error.HTTPError) as wrong:
        urllib.request.urlopen(url.replace("/metrics", "/other"), timeout=SECONDS)
    assert wrong.value.code == 404
    with pytest.raises(urllib.error.HTTPError) as wrong:
        urllib.request.urlopen(url, data=b"x", timeout=SECONDS)
    assert wrong.value.code == 405
    host = url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=SECONDS)
    for method in ("HEAD", "GET", "GET"):  # one connection
        connection.request(method, "/metrics")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200 and (len(body) > 0) == (method == "GET")
    connection.close()
    with socket.create_connection(host.split(":")) as raw:  # what is no request ends the connection
        raw.sendall(b"\x00" * 20000)
        raw.settimeout(SECONDS)
        try:
            assert raw.recv(100) == b""
        except ConnectionResetError:
            pass
    assert scrape(url)


def test_hub(tmp_path):
    port = free_port()
    with weir_hub(str(tmp_path), "--topic", "t:1", "--metrics-listen", f"127.0.0.1:{port}") as bootstrap:
        from confluent_kafka import Producer
        producer = Producer({"bootstrap.servers": bootstrap})
        for number in range(7):
            producer.produce("t", value=str(number))
        producer.flush()
        samples = scrape(f"http://127.0.0.1:{port}/metrics")
        assert value(samples, "weir_hub_incoming_messages_total") == 7
        assert value(samples, "weir_hub_connections") >= 1
        assert value(samples, "weir_build_info") == 1
        taken = subprocess.run([WEIR, "hub", "--dir", str(tmp_path / "other"), "--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{port}"],
                               capture_output=True, text=True, timeout=SECONDS)
        assert taken.returncode == 5 and f"127.0.0.1:{port}" in taken.stderr


def test_serve_tells_where(tmp_path):
    server = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--warehouse", str(tmp_path / "w"), "--metrics-listen", "127.0.0.1:0",
                               "--output", "json"], stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        samples = scrape(json.loads(server.stdout.readline())["metrics"])
        assert value(samples, "weir_queries_active") == 0
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(SECONDS)
