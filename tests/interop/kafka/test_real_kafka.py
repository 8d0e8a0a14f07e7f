"""The same pipeline against a real Apache Kafka broker instead of the hub."""
from deltalake import DeltaTable
from weir_programs import TOPIC, ingest, real_kafka, simulate, weir


def test_simulator_and_ingest_work_with_apache_kafka(tmp_path):
    table, checkpoint, journal = (str(tmp_path / name) for name in ("table", "checkpoint", "journal"))
    with real_kafka(str(tmp_path), {TOPIC: 4}) as bootstrap:
        report = simulate(bootstrap, 50_000, "--journal", journal)
        assert report["acknowledged"] == report["sent"]
        ingest(bootstrap, table, checkpoint, "--select", "*, _topic, _partition, _offset")
        rows = DeltaTable(table).to_pyarrow_table(columns=["_partition", "_offset"])
        assert rows.num_rows == report["sent"]
        assert len(set(zip(*(column.to_pylist() for column in rows.columns)))) == rows.num_rows
        weir("verify", table, "--journal", journal, "--bootstrap", bootstrap, "--topic", TOPIC)

        # More events, and the same checkpoint: only the new ones are added.
        more = simulate(bootstrap, 1_000, "--seed", "2")
        ingest(bootstrap, table, checkpoint, "--select", "*, _topic, _partition, _offset")
        again = DeltaTable(table).to_pyarrow_table(columns=["_offset"]).num_rows
        assert again == report["sent"] + more["sent"]


def test_compressed_topics_are_read(tmp_path):
    codecs = ["gzip", "snappy", "lz4", "zstd"]
    with real_kafka(str(tmp_path), {TOPIC: 1}) as bootstrap:
        from confluent_kafka import Producer
        for codec in codecs:
            producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 50})
            for i in range(500):
                producer.produce(TOPIC, key=b"k", value=b'{"eventId":"%s-%d","value":%d.5}' % (codec.encode(), i, i))
            assert producer.flush(30) == 0
        table = str(tmp_path / "table")
        ingest(bootstrap, table, str(tmp_path / "checkpoint"))
        ids = DeltaTable(table).to_pyarrow_table(columns=["eventId"]).column(0).to_pylist()
        assert sorted(ids) == sorted(f"{codec}-{i}" for codec in codecs for i in range(500))
