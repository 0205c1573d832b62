"""An engine that waits: what it is told comes whole, and without an order it ends."""

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deployments.worker.engine import Order

ENGINE = [sys.executable, "-m", "deployments.worker.engine"]
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


def test_an_engine_has_the_variables_and_the_folder_of_its_order(tmp_path: Path) -> None:
    """It is Prefect's engine, and this one is told of a run that cannot be; whose worker it has is no longer its business."""
    order = Order(
        str(tmp_path), {"PATH": os.environ["PATH"], "PREFECT__FLOW_RUN_ID": "none", "PREFECT_HOME": str(tmp_path)}
    )
    with subprocess.Popen(
        ENGINE, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OTHER": "1"}
    ) as engine:
        _, said = engine.communicate(order.line())

    assert engine.returncode == 1
    assert b"Invalid flow run id" in said
