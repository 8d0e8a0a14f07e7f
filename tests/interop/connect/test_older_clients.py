"""Clients 4.0 and 4.1 of PySpark, unmodified: each runs older_client.py in a process of its own."""
import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("minor", ["4.0", "4.1"])
def test_an_older_client_is_served(server, minor):
    folder = pathlib.Path(sys.prefix) / f"client-{minor}"
    here = pathlib.Path(__file__).parent
    done = subprocess.run([sys.executable, str(here / "older_client.py"), server.address, minor], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(folder)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("served")
