"""The running of a schedule: one feeder a lane, one task a work, all in one task group."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Generic

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from pipeline.changing import Change
from pipeline.domain.errors import BudgetReached, MachineError, NotStarted
from pipeline.domain.event import Note, ProviderStopped
from pipeline.ports import Recorder
from pipeline.schedule.lanes import Ended, Execute, Lane, O, W, WorkSource
from pipeline.schedule.stops import (
    BOUNDS_OF_ONE,
    Cause,
    LaneStop,
    ScheduleResult,
    Stop,
    StopRules,
    Streak,
    is_failure,
    stop_by,
)


class _Feed:
    """A lane while it runs."""

    def __init__(self, lane: Lane, rules: StopRules) -> None:
        self.lane = lane
        self.scope = anyio.CancelScope()
        self.active = 0
        self.idle = False
        self.ended = False
        self.closing: LaneStop | None = None
        self.streak = Streak(rules)


async def run_schedule(
    source: WorkSource[W, O],
    execute: Execute[W, O],
    lanes: Sequence[Lane],
    *,
    stop: Stop | None = None,
    rules: StopRules | None = None,
    deadline: float | None = None,
    recorder: Recorder | None = None,
) -> ScheduleResult:
    """Does all there is to do and says what stopped it, if anything did.

    deadline: on the event loop's clock (`anyio.current_time`). Raises an ExceptionGroup of what *execute* or *source*
    raised unasked, after everything in flight has ended.
    """
    schedule = _Schedule(source, execute, lanes, rules=rules or StopRules(), deadline=deadline, recorder=recorder)
    return await schedule.run(stop or Stop())


class _Schedule(Generic[W, O]):
    def __init__(
        self,
        source: WorkSource[W, O],
        execute: Execute[W, O],
        lanes: Sequence[Lane],
        *,
        rules: StopRules,
        deadline: float | None,
        recorder: Recorder | None,
    ) -> None:
        self._source = source
        self._execute = execute
        self._feeds = tuple(_Feed(lane, rules) for lane in lanes)
        self._rules = rules
        self._deadline = deadline
        self._recorder = recorder
        self._changed = Change()
        self._stops: list[LaneStop] = []
        self._faults: list[Exception] = []
        self._started = 0
        self._cut = False

    async def run(self, stop: Stop) -> ScheduleResult:
        if stop.asked.is_set():
            self._stop_everything("signal", stop.why, stop.exit)
        with anyio.CancelScope() as everything:
            async with anyio.create_task_group() as watchers:
                watchers.start_soon(self._watch_stop, stop, everything)
                for feed in self._feeds:
                    if self._deadline is not None:
                        watchers.start_soon(self._watch_deadline, feed, self._deadline)
                async with anyio.create_task_group() as works:
                    for feed in self._feeds:
                        works.start_soon(self._feed, feed, works)
                watchers.cancel_scope.cancel()
        if self._faults:
            raise ExceptionGroup("faults of the tool while works were in flight", self._faults)
        return ScheduleResult(stops=tuple(self._stops), started=self._started, cut=self._cut)

    async def _feed(self, feed: _Feed, works: TaskGroup) -> None:
        try:
            with feed.scope:
                while await self._feed_one(feed, works):
                    pass
        except Exception as fault:  # noqa: BLE001 - a fault of the source ends the run in order, like one of a work
            self._fault(fault)
        finally:
            feed.ended = True
            self._changed.tell()

    async def _feed_one(self, feed: _Feed, works: TaskGroup) -> bool:
        """Starts one work, or waits until there may be one. Gives whether to go on."""
        # A signal, and whoever else is ready, gets its turn between two starts.
        await anyio.lowlevel.checkpoint()
        while feed.active >= feed.lane.workers:
            await self._changed.wait()
        if self._source.is_done(feed.lane.name):
            return False
        seat = await feed.lane.seats()
        work = self._source.next(feed.lane.name)
        if work is None:
            with seat:
                pass
            return await self._more(feed)
        if self._is_late(feed):
            with seat:
                pass
            self._stop_late(feed)
            return False
        feed.active += 1
        self._started += 1
        works.start_soon(self._work, feed, work, seat)
        return True

    async def _more(self, feed: _Feed) -> bool:
        """Waits for any work to end. False when none is open anywhere, so that none can ever become ready."""
        feed.idle = True
        if self._is_quiet():
            self._changed.tell()
            return False
        await self._changed.wait()
        return not self._is_quiet()

    def _is_quiet(self) -> bool:
        return all(feed.active == 0 and (feed.ended or feed.idle) for feed in self._feeds)

    async def _work(self, feed: _Feed, work: W, seat: AbstractContextManager[object]) -> None:
        try:
            with seat:
                ended = await self._execute(work)
            self._source.finished(work, ended.outcome)
            self._judge(feed, ended)
        except MachineError as error:
            self._stop_everything("machine", str(error), 1)
        except Exception as fault:  # noqa: BLE001 - what is in flight is paid for: it ends in order before this goes up
            self._fault(fault)
        finally:
            feed.active -= 1
            self._wake()

    def _judge(self, feed: _Feed, ended: Ended[O]) -> None:
        """What an ending means for what has not started."""
        error = ended.error
        if isinstance(error, NotStarted) and feed.closing is not None:
            self._add(feed.closing)
        verdict = (stop_by(error) if error is not None else None) or feed.streak.count(error)
        if verdict is not None:
            cause, why, exit_status = verdict
            stop = LaneStop(lane=feed.lane.name, cause=cause, why=why, exit=exit_status)
            if cause == "machine":
                self._stop_everything(cause, why, exit_status)
            elif isinstance(error, BudgetReached) and error.bound in BOUNDS_OF_ONE:
                self._keep(stop)
            else:
                self._stop_lane(feed, stop)
        if self._rules.fail_fast and (ended.failed or is_failure(error)):
            self._stop_everything("fast", f"--fail-fast: {error or 'an asset failed'}", 11)

    def _stop_lane(self, feed: _Feed, stop: LaneStop) -> None:
        self._add(stop)
        feed.scope.cancel()
        # A budget says only that this request did not fit: a cheaper one that waits already may.
        if stop.cause != "budget":
            feed.lane.close(stop.why)
        self._source.stop(feed.lane.name)
        self._wake()

    def _stop_late(self, feed: _Feed) -> None:
        self._stop_lane(feed, _late(feed))

    def _stop_everything(self, cause: Cause, why: str, exit_status: int) -> None:
        self._add(LaneStop(lane="", cause=cause, why=why, exit=exit_status))
        for feed in self._feeds:
            feed.scope.cancel()
            feed.lane.close(why)

    def _fault(self, fault: Exception) -> None:
        self._faults.append(fault)
        self._stop_everything("fault", f"{type(fault).__name__}: {fault}", 1)

    def _add(self, stop: LaneStop) -> None:
        if not self._keep(stop) or self._recorder is None:
            return
        if stop.lane:
            self._recorder(ProviderStopped(provider=stop.lane, why=stop.why, exit=stop.exit))
        else:
            flying = sum(feed.active for feed in self._feeds)
            self._recorder(Note(text=f"{stop.why}: nothing new is started, {flying} in flight are waited for"))

    def _keep(self, stop: LaneStop) -> bool:
        """Remembers a stop for the result; false when it is known."""
        is_new = all(known.lane != stop.lane or known.cause != stop.cause for known in self._stops)
        if is_new:
            self._stops.append(stop)
        return is_new

    async def _watch_stop(self, stop: Stop, everything: anyio.CancelScope) -> None:
        await stop.asked.wait()
        self._stop_everything("signal", stop.why, stop.exit)
        await stop.insisted.wait()
        self._cut = True
        everything.cancel()

    async def _watch_deadline(self, feed: _Feed, deadline: float) -> None:
        """Closes the lane when an answer to a request sent now would come too late; `expected` may grow meanwhile."""
        # What is expected changes with every answer, and no event tells: so it is looked at again and again.
        while (left := deadline - feed.lane.expected() - anyio.current_time()) > 0:  # noqa: ASYNC110 - as said above
            await anyio.sleep(min(left, max(1.0, left / 4)))
        # Whether anything is left is not known yet: the feeder's next work, or one that waits at the door, will tell.
        feed.closing = _late(feed)
        feed.lane.close(_late(feed).why)

    def _is_late(self, feed: _Feed) -> bool:
        return self._deadline is not None and anyio.current_time() + feed.lane.expected() > self._deadline

    def _wake(self) -> None:
        """Lets every idle lane ask its source again."""
        for feed in self._feeds:
            feed.idle = False
        self._changed.tell()


def _late(feed: _Feed) -> LaneStop:
    why = "the deadline (run.deadline): what is not on its way would come too late"
    return LaneStop(lane=feed.lane.name, cause="deadline", why=why, exit=13)
