"""The webhooks benchmark, on few pushes, and what it says of a gateway that does not keep its promise."""

import asyncio
import json
from dataclasses import replace

from deployments.bench import load, webhooks
from deployments.bench.load import Load
from deployments.bench.result import Result
from deployments.bench.webhooks import Bench, Prefect
from deployments.gateway.payload import read_push
from deployments.sandbox.sample.service import NAME
from promoter.ledger import arrivals
from promoter.ledger.connection import connect
from promoter.settings import Settings


def test_the_benchmark_counts_every_push() -> None:
    """All of the burst, and all that were sent afterwards."""
    result = webhooks.measure(burst=40, seconds=0.5)

    assert result.kept, result.notes
    assert "none lost, none doubled" in str(result)
    assert list(result.times) == ["noted by hand", "burst, p50", "burst, p99", "sustained, p50", "sustained, p99"]


def test_a_push_is_as_large_as_it_is_said_to_be() -> None:
    """Of the branch whose rule wants it, and each has a commit of its own."""
    head, _, body = webhooks.request(7).partition(b"\r\n\r\n")

    assert f"Content-Length: {webhooks.SIZE}".encode() in head
    assert len(body) == webhooks.SIZE
    assert (read_push(body).branch, read_push(body).after) == ("test", f"{8:040x}")


def test_what_is_lost_or_doubled_is_counted(settings: Settings) -> None:
    """By its kind."""
    with connect(settings) as ledger:
        noted = [
            arrivals.note(ledger, service="s", repository="r", branch="test", commit=letter * 40, pushed_by="ann")[0].id
            for letter in "abc"
        ]
    answers = [json.dumps({"pushes": {NAME: str(one)}}).encode() for one in [noted[0], noted[0], noted[1]]]
    prefect = Prefect()
    prefect.heard.update(map(str, [noted[0], noted[0], noted[1]]))

    found = asyncio.run(Bench(settings, 0, prefect).miscounted(Load(bodies=answers, refused=4), patience=0))

    assert found == {
        "refused": 4,
        "doubled": 1,
        "lost in the ledger": 0,
        "too many in the ledger": 1,
        "not told to Prefect": 0,
        "told to Prefect twice": 1,
    }


def test_who_is_still_connected_in_the_end_is_served_no_more() -> None:
    """What it said before was heard; nothing of the connection is left behind."""
    event = json.dumps([{"id": "1"}]).encode()

    async def talk() -> tuple[Prefect, bytes]:
        prefect = Prefect()
        async with prefect.serving() as api:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(api.split(":")[2].partition("/")[0]))
            writer.write(load.post("/api/events", event, {}))
            await load.read_head(reader)
        rest = await reader.read()
        await load.close(writer)
        return prefect, rest

    prefect, rest = asyncio.run(talk())

    assert (prefect.heard, rest, prefect.connections) == ({"1": 1}, b"", {})


def test_a_missed_promise_is_said() -> None:
    """Whatever the ratio."""
    kept = Result("x", 1, None, {"a": 0.1}, notes=("1 doubled",))

    assert (kept.held, replace(kept, kept=False).held) == (True, False)
    assert "NOT KEPT: 1 doubled" in str(replace(kept, kept=False))
