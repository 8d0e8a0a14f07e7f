"""run_devices.py PROGRAM: runs examples/cpp/devices.cc twice over a folder of events and checks what it prints."""
import json
import os
import subprocess
import sys
import tempfile


def run(program, folder, name, events):
    os.makedirs(os.path.join(folder, "events"), exist_ok=True)
    part = os.path.join(folder, name)
    with open(part, "w") as f:
        for minute, (device, temperature) in enumerate(events):
            f.write(json.dumps({"device": device, "at": f"2026-01-01T00:{minute:02d}:00Z", "temperature": temperature}) + "\n")
    os.rename(part, os.path.join(folder, "events", name + ".json"))
    done = subprocess.run([program, folder], capture_output=True, text=True, timeout=50)
    if done.returncode:
        sys.exit(f"{program} ended with {done.returncode}: {done.stderr}")
    return done.stdout.splitlines()


def check(got, expected):
    if got != expected:
        sys.exit(f"printed {got}, expected {expected}")


with tempfile.TemporaryDirectory() as scratch:
    check(run(sys.argv[1], scratch, "first", [("a", 20), ("a", 21), ("b", 7), ("a", 22), ("a", 5)]),
          ["a 4 17", "b 1 7", "a 0 3", "b 0 1"])
    # The table's query goes on where it was; the other one has no checkpoint that stays and begins anew.
    check(run(sys.argv[1], scratch, "second", [("b", 9), ("c", 1)]), ["a 4 17", "b 2 8", "c 1 1", "a 0 3", "b 0 2", "c 0 1"])
