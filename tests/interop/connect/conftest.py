"""One `weir serve` for the suite, driven by the unmodified pyspark-client."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings

import pytest

warnings.filterwarnings("ignore")
WEIR = os.environ["WEIR_BINARY"]


class Server:
    def __init__(self, warehouse, *arguments, listen="127.0.0.1:0"):
        self.process = subprocess.Popen(
            [WEIR, "serve", "--listen", listen, "--warehouse", str(warehouse), "--output", "json", *arguments],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line, f"weir serve ended with {self.process.wait()}"
        self.ready = json.loads(line)
        self.address = self.ready["address"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("weir serve did not stop") from None


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("warehouse"), "--python", sys.executable)
    yield started
    assert started.stop() == 0


@pytest.fixture
def spark(server):
    from pyspark.sql.connect.session import SparkSession

    session = SparkSession.builder.remote(server.address).create()
    yield session
    session.stop()


@pytest.fixture
def tmp_path():
    """A folder that Python functions can write to as well: they run as a user of their own where the server is root."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="weir-connect-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path, ignore_errors=True)
