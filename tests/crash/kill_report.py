"""How a kill loop ends: what it says, and what it leaves behind."""
import json
import shutil
import sys
import time


def end(began, report, failures, root, keep):
    """Prints the report of a run that began at time.monotonic() `began` as one line of JSON. Where something has failed
    the files stay, for a look, and the program ends with 1; else they go unless they are to be kept."""
    report = {**report, "seconds": round(time.monotonic() - began, 1), "failures": failures}
    print(json.dumps(report), flush=True)
    if failures:
        print(f"kept for a look: {root}")
        sys.exit(1)
    if not keep:
        shutil.rmtree(root)
