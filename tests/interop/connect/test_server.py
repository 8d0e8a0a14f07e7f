"""Sessions, interrupts, reattaching, tokens."""
import subprocess
import threading
import time

import grpc
import pytest
from conftest import WEIR, Server
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.connect.session import SparkSession

SLOW = "SELECT count(*) FROM range(20000000) a JOIN range(1000) b ON a.id % 7 = b.id % 5"


def test_sessions_do_not_see_each_other(server):
    one, two = (SparkSession.builder.remote(server.address).create() for _ in range(2))
    one.range(1).createOrReplaceTempView("mine")
    one.conf.set("spark.sql.session.timeZone", "Europe/Oslo")
    assert two.catalog.tableExists("mine") is False
    assert two.conf.get("spark.sql.session.timeZone") != "Europe/Oslo"
    one.stop()
    assert two.range(2).count() == 2
    two.stop()


@pytest.mark.parametrize("by", ["all", "tag", "operation"])
def test_interrupt(spark, by):
    failures, interrupted = [], []
    spark.addTag("unrelated")
    spark.clearTags()

    def run():
        spark.addTag("slow")
        try:
            spark.sql(SLOW).collect()
        except PySparkException as error:
            failures.append(error.getCondition())

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(200):
        if by == "all":
            interrupted = spark.interruptAll()
        elif by == "tag":
            assert spark.interruptTag("unrelated") == []
            interrupted = spark.interruptTag("slow")
        else:
            running = [s.operation_id for s in spark.client._get_operation_statuses().operation_statuses if s.state == 2]
            interrupted = [i for o in running for i in spark.interruptOperation(o)]
        if interrupted:
            break
        time.sleep(0.02)
    thread.join(30)
    assert len(interrupted) == 1 and failures == ["OPERATION_CANCELED"]
    assert spark.range(3).count() == 3


def test_reattach_goes_on_where_the_stream_broke(spark):
    import uuid

    import pyspark.sql.connect.proto as proto
    client = spark.client
    df = spark.range(0, 2_000_000).withColumn("t", F.lit("x" * 20))
    request = client._execute_plan_request_with_metadata(str(uuid.uuid4()))
    request.plan.CopyFrom(df._plan.to_proto(client))
    request.request_options.append(proto.ExecutePlanRequest.RequestOption(reattach_options=proto.ReattachOptions(reattachable=True)))
    stream = client._stub.ExecutePlan(request)
    got = [next(stream) for _ in range(3)]
    stream.cancel()
    again = client._stub.ReattachExecute(proto.ReattachExecuteRequest(
        session_id=request.session_id, user_context=request.user_context, operation_id=request.operation_id,
        last_response_id=got[-1].response_id))
    got += list(again)
    counts = [r.arrow_batch.row_count for r in got if r.HasField("arrow_batch")]
    offsets = [r.arrow_batch.start_offset for r in got if r.HasField("arrow_batch")]
    assert sum(counts) == 2_000_000 and offsets == [sum(counts[:i]) for i in range(len(counts))]
    assert got[-1].HasField("result_complete")


def test_a_slow_client_holds_back_only_itself(spark, server):
    import uuid
    client = spark.client
    request = client._execute_plan_request_with_metadata(str(uuid.uuid4()))
    request.plan.CopyFrom(spark.range(0, 100_000_000)._plan.to_proto(client))
    stream = client._stub.ExecutePlan(request)
    next(stream)  # and no more
    other = SparkSession.builder.remote(server.address).create()
    assert other.range(1000).count() == 1000
    with open(f"/proc/{server.process.pid}/status") as status:
        resident_kb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident_kb < 700_000
    other.stop()
    stream.cancel()


def test_an_artifact_that_is_too_large_is_refused_before_it_has_come(spark):
    import pyspark.sql.connect.proto as proto
    client = spark.client
    chunks = proto.AddArtifactsRequest.BeginChunkedArtifact(
        name="files/huge", total_bytes=1 << 40, num_chunks=1 << 20,
        initial_chunk=proto.AddArtifactsRequest.ArtifactChunk(data=b"x", crc=0x8CDC1683))
    request = client._execute_plan_request_with_metadata("00112233-4455-6677-8899-aabbccddeeff")
    with pytest.raises(grpc.RpcError) as error:
        client._stub.AddArtifacts(iter([proto.AddArtifactsRequest(
            session_id=request.session_id, user_context=request.user_context, begin_chunk=chunks)]))
    assert "files/huge is larger than 1024 MiB" in error.value.details()


def test_a_database_whose_name_needs_quotes(spark):
    spark.sql("CREATE DATABASE `a-b`")
    spark.sql("USE `a-b`")
    try:
        spark.range(1).write.saveAsTable("t")
        assert [t.name for t in spark.catalog.listTables()] == ["t"]
    finally:
        spark.sql("USE default")
        spark.sql("DROP DATABASE `a-b` CASCADE")


def test_token(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    server = Server(tmp_path / "warehouse", "--token-file", str(tmp_path / "token"), listen="localhost:0")
    try:
        port = server.address.rsplit(":", 1)[1]
        spark = SparkSession.builder.remote(f"sc://localhost:{port}/;token=secret").create()
        assert spark.range(2).count() == 2
        spark.stop()
        channel = grpc.insecure_channel(f"localhost:{port}")
        call = channel.unary_unary("/spark.connect.SparkConnectService/Config")
        with pytest.raises(grpc.RpcError) as error:
            call(b"")
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
    finally:
        assert server.stop() == 0


def test_what_does_not_open_is_told(tmp_path):
    (tmp_path / "key.pem").write_text("no key")
    for arguments, said in [(["--listen", "nowhere"], "HOST:PORT"),
                            (["--listen", "127.0.0.1:0", "--tls-cert", str(tmp_path / "key.pem"), "--tls-key", str(tmp_path / "key.pem")],
                             "no certificate in PEM")]:
        done = subprocess.run([WEIR, "serve", "--warehouse", str(tmp_path / "w"), *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and said in done.stderr, done.stderr
