"""An engine that waits: what it is told comes whole, and without an order it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deployments.worker.engine import Order

ENGINE = [sys.executable, "-m", "deployments.worker.engine"]
PROBE = """
import json, os, sys
print("lost", file=sys.stderr, flush=True)
said = {"environment": dict(os.environ), "folder": os.getcwd(), "arguments": sys.argv[1:], "input": os.read(0, 9).decode()}
assert __name__ == "__main__"
with open(os.environ["SAID"], "w") as file:
    json.dump(said, file)
"""
NAMES = st.text(st.characters(exclude_characters="=\0", exclude_categories=["Cs"]), min_size=1)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.dictionaries(NAMES, VALUES))
def test_an_order_is_one_line_and_comes_as_it_was_sent(environment: dict[str, str]) -> None:
    """Whatever stands in a variable."""
    line = Order("/somewhere", environment).line()

    assert line.count(b"\n") == 1
    assert Order.read(line.decode()) == Order("/somewhere", environment)


def test_an_engine_whose_worker_ended_ends_too() -> None:
    """Without a word: it never had a run."""
    ended = subprocess.run(ENGINE, input=b"", capture_output=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_an_engine_has_what_its_order_says_and_nothing_of_its_worker(tmp_path: Path) -> None:
    """Variables, folder, no argument; what it says goes nowhere, so that it may outlive whoever listened."""
    (tmp_path / "probe.py").write_text(PROBE)
    order = Order(str(tmp_path), {"SAID": str(tmp_path / "said.json"), "PREFECT__FLOW_RUN_ID": "1"})
    becoming = (
        "from deployments.worker import engine; engine.ENGINE, engine.load = 'probe', lambda: None; engine.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", becoming],
        input=order.line() + b"more",
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OTHER": "1"},
    )

    said = json.loads((tmp_path / "said.json").read_text())
    assert said == {"environment": dict(order.environment), "folder": order.folder, "arguments": [], "input": ""}
    assert ended.stderr == b""
