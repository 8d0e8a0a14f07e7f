"""What users write, against what real Spark has answered (recorded.json; record_cases.py writes it)."""
import json
import warnings

import pytest
import recording

CASES = recording.load()
RECORDED = json.loads(recording.RECORDED.read_text())
DIFFERENT = {name: reason for name, reason in (line.split("\t", 1) for line in (recording.HERE / "different.tsv").read_text().splitlines()
                                               if line and not line.startswith("#"))}


def test_lists_agree():
    assert sorted(CASES) == sorted(RECORDED["cases"]), "record again: record_cases.py"
    assert set(DIFFERENT) <= set(CASES)


@pytest.mark.parametrize("name", [name for name in CASES if name not in DIFFERENT])
def test_as_spark(spark, tmp_path, name):
    assert recording.outcome(CASES[name], spark, tmp_path) == RECORDED["cases"].get(name)


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_still_different(spark, tmp_path, name):
    if recording.outcome(CASES[name], spark, tmp_path) == RECORDED["cases"].get(name):
        warnings.warn(f"{name} agrees with Spark: take it off different.tsv", stacklevel=1)
