"""Runs that ask the same at the same time: one generation, each run with its own events, and nobody hostage."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.errors import EngineError, ErrorClass
from engine.events import AttemptFailed, Body, ModelDelta, ModelFinished, ModelStarted
from engine.models.caller import CallOptions, CallSite, ModelRound
from engine.models.protocol import ChatRequest, Chunk
from tests.unit.caller_rig import REQUEST, Rig, failure, says

COLD = replace(REQUEST, temperature=0.0)


class Asker:
    """One run that asks."""

    def __init__(self, rig: Rig, run: str, *, request: ChatRequest = COLD, **options: object) -> None:
        self.events: list[Body] = []
        self.site = CallSite(f"node of {run}", 1, 1)
        call = rig.caller.call(
            request,
            site=self.site,
            emit=self.events.append,
            options=CallOptions(run=run, **options),  # type: ignore[arg-type]
        )
        self.task: asyncio.Task[ModelRound] = asyncio.create_task(call)

    @property
    def story(self) -> list[str]:
        letters = {ModelStarted: "S", ModelDelta: "D", ModelFinished: "F", AttemptFailed: "X"}
        return [f"{letters[type(body)]}{body.attempt}" for body in self.events]  # type: ignore[attr-defined]

    async def text(self) -> str:
        return (await self.task).text


@pytest.fixture
def rig() -> Rig:
    return Rig(concurrency=9)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def held(rig: Rig, *, before: str = "2 + 2 ") -> asyncio.Event:
    """The first request of the model shows a text, and then waits."""
    go_on = asyncio.Event()
    rig.script([0.2, Chunk(text=before), go_on, *says("is 4.")])
    return go_on


async def test_runs_that_ask_the_same_share_one_generation_and_each_has_all_events(rig: Rig) -> None:
    go_on = await held(rig)
    askers = [Asker(rig, run) for run in "abc"]
    await turns()
    go_on.set()
    assert [await asker.text() for asker in askers] == ["2 + 2 is 4."] * 3
    assert len(rig.backend.requests) == 1
    first, *others = askers
    for other in others:
        assert other.story == first.story == ["S1", "D1", "F1"]
        for mine, its in zip(other.events, first.events, strict=True):
            place = {"path": other.site.path, "visit": 1, "step": 1}
            shared = {"shared": True} if isinstance(mine, ModelStarted) else {}
            assert mine == replace(its, **place, **shared)  # type: ignore[type-var]


async def test_who_comes_late_hears_what_was_shown_so_far(rig: Rig) -> None:
    go_on = await held(rig)
    Asker(rig, "a")
    await turns()
    late = Asker(rig, "b")
    await turns()
    assert late.story == ["S1", "D1"]
    assert isinstance(late.events[0], ModelStarted)
    assert late.events[0].messages
    go_on.set()
    assert await late.text() == "2 + 2 is 4."


async def test_calls_of_one_run_are_never_shared(rig: Rig) -> None:
    go_on = asyncio.Event()
    rig.script(*([go_on, *says(str(n))] for n in range(4)))
    askers = [Asker(rig, run) for run in ("a", "a", "b", "b")]
    await turns()
    go_on.set()
    assert [await asker.text() for asker in askers] == ["0", "1", "0", "1"]
    assert len(rig.backend.requests) == 2


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, temperature=0.5),
        replace(COLD, max_tokens=65),
        replace(COLD, tools=({"function": {"name": "now"}},)),
    ],
)
async def test_what_is_not_the_same_or_has_no_single_answer_is_not_shared(rig: Rig, other: ChatRequest) -> None:
    go_on = asyncio.Event()
    rig.script([go_on, *says("4")], [go_on, *says("four")])
    askers = [Asker(rig, "a", request=other if other.max_tokens == 64 else COLD), Asker(rig, "b", request=other)]
    await turns()
    go_on.set()
    assert [await asker.text() for asker in askers] == ["4", "four"]


async def test_a_question_does_not_wait_for_an_evaluation_that_asks_the_same(rig: Rig) -> None:
    go_on = await held(rig)
    evaluation = Asker(rig, "a", priority="evaluation")
    await turns()
    rig.script(says("4"))
    assert await Asker(rig, "b", priority="interactive").text() == "4"
    go_on.set()
    await evaluation.text()


async def test_cancelling_a_follower_leaves_the_others_as_they_are(rig: Rig) -> None:
    go_on = await held(rig)
    askers = [Asker(rig, run) for run in "abc"]
    await turns()
    askers[1].task.cancel()
    await asyncio.wait([askers[1].task])
    gone = askers[1].events[-1]
    assert isinstance(gone, AttemptFailed)
    assert (gone.error.error_class, gone.partial, gone.path) == (ErrorClass.CANCELLED, "2 + 2 ", "node of b")
    go_on.set()
    assert [await askers[n].text() for n in (0, 2)] == ["2 + 2 is 4."] * 2
    assert askers[1].story == ["S1", "D1", "X1"]


async def test_where_the_one_that_calls_is_cancelled_another_takes_its_place(rig: Rig) -> None:
    await held(rig)
    askers = [Asker(rig, run) for run in "abc"]
    await turns()
    go_on = asyncio.Event()
    rig.script([go_on, *says("4")])
    askers[0].task.cancel()
    await turns()
    go_on.set()
    assert [await askers[n].text() for n in (1, 2)] == ["4", "4"]
    assert len(rig.backend.requests) == 2
    assert askers[0].task.cancelled()
    for asker in askers[1:]:
        assert asker.story == ["S1", "D1", "X1", "S2", "D2", "F2"]
        failed = asker.events[2]
        assert isinstance(failed, AttemptFailed)
        assert failed.retry_in_ms == 0
    assert rig.backend.open == 0


async def test_the_deadline_of_the_one_that_calls_is_not_that_of_the_others(rig: Rig) -> None:
    await held(rig)
    hurried = Asker(rig, "a", deadline=rig.clock.now() + 0.25)  # the script itself takes 0.2 of it
    patient = Asker(rig, "b")
    await turns()
    rig.script(says("4"))
    with pytest.raises(EngineError) as caught:
        await hurried.task
    assert caught.value.code == "deadline"
    assert await patient.text() == "4"


async def test_a_follower_waits_no_longer_than_its_own_deadline(rig: Rig) -> None:
    go_on = await held(rig)
    patient = Asker(rig, "a")
    await turns()
    hurried = Asker(rig, "b", deadline=rig.clock.now() + 0.02)
    with pytest.raises(EngineError) as caught:
        await hurried.task
    assert caught.value.error_class is ErrorClass.TIMEOUT
    assert hurried.story == ["S1", "D1", "X1"]
    go_on.set()
    await patient.text()


async def test_a_failure_of_the_generation_is_that_of_all_and_retries_are_shared(rig: Rig) -> None:
    go_on = asyncio.Event()
    rig.script([go_on, failure()], [failure()], [failure(ErrorClass.AUTH)])
    askers = [Asker(rig, run) for run in "ab"]
    await turns()
    go_on.set()
    for asker in askers:
        with pytest.raises(EngineError) as caught:
            await asker.task
        assert caught.value.error_class is ErrorClass.AUTH
        assert asker.story == ["S1", "X1", "S2", "X2", "S3", "X3"]
    assert len(rig.backend.requests) == 3


async def test_a_run_whose_log_refuses_does_not_disturb_the_others(rig: Rig) -> None:
    go_on = await held(rig)
    fine = Asker(rig, "a")
    await turns()

    def refuse(_body: Body) -> None:
        raise OSError("full")

    options = CallOptions(run="b")
    broken = asyncio.create_task(rig.caller.call(COLD, site=CallSite("x", 1, 1), emit=refuse, options=options))
    await turns()
    go_on.set()
    assert await fine.text() == "2 + 2 is 4."
    with pytest.raises(OSError, match="full"):
        await broken


async def test_nothing_is_kept_of_what_is_over(rig: Rig) -> None:
    rig.script(says("4"), says("four"))
    assert await Asker(rig, "a").text() == "4"
    assert await Asker(rig, "b").text() == "four"
    assert len(asyncio.all_tasks()) == 1
