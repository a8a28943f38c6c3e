"""Which steps may start, in which order, and that every asset ends exactly once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.record import Space, State
from pipeline.domain.step import StepKey, step_key
from pipeline.manifest.model import Manifest, Shot
from pipeline.plan import Frontier, Plan, Rules, Settled, StepResult, Work, make_plan
from pipeline.plan.resolve import BATCH
from tests.plan.making import Book, Pictures, PriceList, axis, edit, image, manifest, model, paid, shot

MODELS = [model("main"), model("rival", "slow"), replace(model("copy", "slow"), model="model-main")]


class Night:
    """A run without a network: works are handed out and answered by hand, the ledger is a dict."""

    def __init__(
        self,
        *shots: Shot,
        book: Book | None = None,
        window: int = 4096,
        limit: int | None = None,
        rules: Rules | None = None,
        space_of: Callable[[str], Space] = paid,
        of: Manifest | None = None,
    ) -> None:
        self.plan: Plan = make_plan(of or manifest(*shots, models=MODELS), Pictures(), PriceList())
        self.book = book or Book()
        self.space_of = space_of
        self.ends: list[Settled] = []
        self.frontier = Frontier(
            self.plan,
            self.book.lookup,
            space_of=space_of,
            report=self.ends.append,
            rules=rules,
            limit=limit,
            window=window,
        )

    def next(self, lane: str = "fast") -> Work:
        work = self.frontier.next(lane)
        assert work is not None
        return work

    def answer(self, work: Work, *states: State | None) -> None:
        """The work's steps end so (done where nothing is said); the ledger hears of it first, as in life."""
        outcomes: list[StepResult | None] = []
        for ready, state in zip(work.steps, states or [State.DONE] * len(work.steps), strict=True):
            picture = image(f"picture of {ready.key}") if state is State.DONE else None
            if state is not None and state is not State.PLANNED:
                self.book.put(ready.key, state, picture=picture, space=self.space_of(work.lane))
            outcomes.append(None if state is None else StepResult(state=state, image=picture))
        self.frontier.finished(work, outcomes)

    def rest(self, lane: str = "fast") -> list[list[str]]:
        """Does all there is in one lane, one after another; gives the assets of each work."""
        done = []
        while (work := self.frontier.next(lane)) is not None:
            done.append(list(map(str, work.assets)))
            self.answer(work)
        return done

    def said(self) -> dict[str, str]:
        return {end.asset: f"{end.state}{' cached' if end.cached else ''}" for end in self.ends}


def test_longest_remaining_chain_first_then_the_manifests_order() -> None:
    night = Night(
        shot("one", prompt="1"),
        shot("long", axis("a", "x", "y"), prompt="{{ a }}", chain=[edit("e"), edit("f")]),
        shot("mid", prompt="3", chain=[edit("g")]),
        shot("two", prompt="4"),
    )
    assert night.rest() == [
        ["long/x"],
        ["long/y"],
        ["long/x/e"],
        ["long/y/e"],
        ["mid"],
        ["long/x/f"],
        ["long/y/f"],
        ["mid/g"],
        ["one"],
        ["two"],
    ]
    assert night.frontier.is_done("fast")
    assert set(night.said().values()) == {"done"}


def test_an_edit_starts_when_its_parent_is_there_and_uses_its_picture() -> None:
    night = Night(shot("s", chain=[edit("e")]))
    base = night.next()
    assert night.frontier.next("fast") is None
    assert not night.frontier.is_done("fast")
    night.answer(base)
    edited = night.next()
    assert edited.steps[0].parts.inputs == (("image", image(f"picture of {base.steps[0].key}").digest),)
    assert edited.steps[0].key == step_key(edited.steps[0].parts)
    night.answer(edited)
    assert night.frontier.is_done("fast")


def test_candidates_of_a_base_picture_are_packed_and_edits_are_not() -> None:
    night = Night(shot("s", n=5, per_request=2, chain=[edit("e")]))
    works = [night.next() for _ in range(3)]
    assert [list(work.assets) for work in works] == [["s", "s#2"], ["s#3", "s#4"], ["s#5"]]
    assert [work.quote.expected if work.quote else None for work in works] == [2010, 2010, 1010]
    for work in works:
        night.answer(work)
    assert night.rest() == [["s/e"], ["s#2/e"], ["s#3/e"], ["s#4/e"], ["s#5/e"]]


def test_what_the_ledger_has_is_not_packed() -> None:
    night = Night(shot("s", n=3, per_request=3))
    second = next(night.plan.cells()).chains[1][0]
    night.book.put(step_key(second.parts()), State.DONE, picture=image("p"))
    assert night.rest() == [["s", "s#3"]]
    assert night.said() == {"s#2": "done cached", "s": "done", "s#3": "done"}


def test_what_an_answer_did_not_bring_is_asked_again() -> None:
    night = Night(shot("s", n=4, per_request=4))
    night.answer(night.next(), State.DONE, None, State.DONE, None)
    assert night.said() == {"s": "done", "s#3": "done"}
    again = night.next()
    assert list(again.assets) == ["s#2", "s#4"]
    night.answer(again, None, State.DONE)
    night.answer(night.next())
    assert set(night.said().values()) == {"done"}


def test_answers_that_bring_nothing_three_times_are_given_up() -> None:
    night = Night(shot("s", chain=[edit("e")]))
    for _ in range(3):
        night.answer(night.next(), None)
    assert night.frontier.next("fast") is None
    assert [(end.asset, end.state, end.reason) for end in night.ends] == [
        ("s", State.FAILED, "exhausted"),
        ("s/e", State.SKIPPED, "parent"),
    ]


@pytest.mark.parametrize("state", [State.FAILED, State.REFUSED, State.UNKNOWN])
def test_dependents_of_what_is_not_there_are_skipped_and_the_rest_goes_on(state: State) -> None:
    night = Night(shot("s", axis("a", "x", "y"), prompt="{{ a }}", chain=[edit("e"), edit("f")]))
    night.answer(night.next(), state)
    night.rest()
    assert night.said() == {
        "s/x": str(state),
        "s/x/e": "skipped",
        "s/x/f": "skipped",
        "s/y": "done",
        "s/y/e": "done",
        "s/y/f": "done",
    }
    assert night.ends[1].message == f"its parent s/x is {state}"


def test_an_opaque_picture_is_kept_and_is_no_parent() -> None:
    night = Night(shot("s", chain=[edit("e")]))
    night.frontier.finished(night.next(), [StepResult(state=State.FAILED, reason="opaque", image=image("p"))])
    assert [(end.state, end.image is not None) for end in night.ends] == [(State.FAILED, True), (State.SKIPPED, False)]


def test_the_same_key_in_flight_is_asked_once_and_its_followers_end_with_it() -> None:
    night = Night(shot("s", chain=[edit("e")]), shot("t", chain=[edit("e"), edit("f", "Else.")]))
    first = night.next()
    assert night.frontier.next("fast") is None
    night.answer(first)
    assert sorted(night.said().items()) == [("s", "done cached"), ("t", "done")]
    edited = night.next()
    assert night.frontier.next("fast") is None
    night.answer(edited)
    assert night.rest() == [["t/f"]]
    assert Counter(end.cached for end in night.ends) == {False: 3, True: 2}


def test_followers_share_a_bad_end_too() -> None:
    night = Night(shot("s"), shot("t", chain=[edit("e")]))
    night.answer(night.next(), State.REFUSED)
    assert night.said() == {"s": "refused", "t": "refused", "t/e": "skipped"}


def test_candidates_of_one_cell_are_never_twins() -> None:
    night = Night(shot("s", n=3))
    assert len({night.next().steps[0].key for _ in range(3)}) == 3


def test_an_edit_that_an_earlier_night_made_is_found_when_its_parent_is_there() -> None:
    night = Night(shot("s", chain=[edit("e"), edit("f")]))
    base = night.next()
    _, edited, _ = next(night.plan.cells()).chains[0]
    made = step_key(edited.parts(image(f"picture of {base.steps[0].key}").digest))
    night.book.put(made, State.DONE, picture=image("old edit"))
    night.answer(base)
    assert night.said() == {"s": "done", "s/e": "done cached"}
    assert night.rest() == [["s/f"]]


def test_the_limit_holds_for_edits_that_become_ready_later() -> None:
    night = Night(shot("s", axis("a", "x", "y"), prompt="{{ a }}", chain=[edit("e"), edit("f")]), limit=2)
    assert night.rest() == [["s/x"], ["s/x/e"]]
    assert night.frontier.is_done("fast")
    assert night.said() == {
        "s/y": "planned",
        "s/y/e": "planned",
        "s/y/f": "planned",
        "s/x": "done",
        "s/x/e": "done",
        "s/x/f": "planned",
    }


def test_asked_again_is_told_to_whoever_buys_it() -> None:
    night = Night(shot("s"), rules=Rules(again=("s",)))
    key = step_key(next(night.plan.cells()).chains[0][0].parts())
    night.book.put(key, State.DONE, picture=image("old"))
    work = night.next()
    assert work.renew
    night.answer(work)
    assert night.said() == {"s": "done"}


def test_asked_again_but_not_tried_keeps_the_old_picture() -> None:
    night = Night(shot("s"), rules=Rules(again=("s",)))
    night.book.put(step_key(next(night.plan.cells()).chains[0][0].parts()), State.DONE, picture=image("old"))
    night.next()
    night.frontier.close()
    assert [(end.state, end.cached, end.image) for end in night.ends] == [(State.PLANNED, False, image("old"))]


# lanes


def test_each_provider_has_its_own_lane_and_a_slow_one_holds_up_nobody() -> None:
    night = Night(
        shot("s", axis("model", "rival", "main"), axis("a", *"abcdef"), prompt="{{ a }}"),
        window=2,
    )
    night.next("slow")
    assert len(night.rest("fast")) == 6
    assert night.frontier.is_done("fast")
    assert not night.frontier.is_done("slow")


def test_an_edit_by_another_provider_is_ready_in_that_providers_lane() -> None:
    night = Night(shot("s", chain=[edit("e", model="rival"), edit("f", model="main")]))
    assert night.frontier.next("slow") is None
    assert not night.frontier.is_done("slow")
    assert night.rest("fast") == [["s"]]
    assert not night.frontier.is_done("fast")
    assert night.rest("slow") == [["s/e"]]
    assert night.rest("fast") == [["s/f"]]
    assert night.frontier.is_done("fast")
    assert night.frontier.is_done("slow")


def test_an_edit_whose_parent_is_cached_is_found_by_its_own_lane() -> None:
    night = Night(shot("s", chain=[edit("e", model="rival")]))
    night.book.put(step_key(next(night.plan.cells()).chains[0][0].parts()), State.DONE, picture=image("p"))
    assert list(night.next("slow").assets) == ["s/e"]


def test_a_stopped_lane_ends_its_own_and_leaves_the_others_alone() -> None:
    night = Night(
        shot("s", chain=[edit("e", model="rival")]),
        shot("t", prompt="t", model="rival", chain=[edit("e", model="main")]),
    )
    slow = night.next("slow")
    night.frontier.stop("slow")
    assert night.frontier.next("slow") is None
    night.answer(slow)
    assert night.rest("fast") == [["s"], ["t/e"]]
    assert night.frontier.is_done("fast")
    assert night.said() == {"t": "done", "s": "done", "s/e": "planned", "t/e": "done"}


def test_a_follower_in_a_lane_that_works_takes_over_from_one_that_stops() -> None:
    night = Night(shot("s", model="copy", chain=[edit("e")]), shot("t", chain=[edit("e", model="copy")]))
    waiting = night.frontier
    assert waiting.pull("slow")
    assert waiting.next("fast") is None
    waiting.stop("slow")
    assert night.rest("fast") == [["t"]]
    assert night.said() == {"s": "planned", "s/e": "planned", "t": "done", "t/e": "planned"}


def test_a_window_bounds_what_is_open() -> None:
    night = Night(shot("s", axis("a", *map(str, range(50))), prompt="{{ a }}", chain=[edit("e")]), window=4)
    works = []
    while (work := night.frontier.next("fast")) is not None:
        works.append(work)
    assert len(works) == 4
    night.answer(works[0])
    assert list(night.next().assets) == ["s/0/e"]
    assert night.frontier.next("fast") is None


def test_looking_ahead_tells_what_is_there_and_stops_at_the_window() -> None:
    shots = shot("s", axis("a", *map(str, range(30))), prompt="{{ a }}")
    book = Book()
    for number, cell in enumerate(Night(shots).plan.cells()):
        if number % 5:
            book.put(step_key(cell.chains[0][0].parts()), State.DONE, picture=image("p"))
    night = Night(shots, book=book, window=4)
    night.next()
    while night.frontier.look_ahead("fast", 3):
        pass
    assert len(night.ends) == 12, "what lies between the four chains that the window holds"
    assert all(end.cached for end in night.ends)
    night.frontier.stop("fast")
    assert not night.frontier.look_ahead("fast", 3)
    night.frontier.close()
    assert len(night.ends) == 30


def test_a_limit_is_not_used_up_by_looking_ahead() -> None:
    night = Night(shot("s", axis("a", *map(str, range(30))), prompt="{{ a }}"), window=3, limit=4)
    night.next()
    assert not night.frontier.look_ahead("fast", 3), "another lane may still want what is left"
    for _ in range(3):
        night.answer(night.next())
    while night.frontier.look_ahead("fast", 3):
        pass
    assert Counter(end.state for end in night.ends)[State.PLANNED] == 26


def test_a_lane_that_overflows_holds_back_the_lane_that_feeds_it() -> None:
    cells = axis("a", *map(str, range(100)))
    night = Night(shot("s", cells, prompt="{{ a }}", chain=[edit("e", model="rival")]), window=3)
    assert len(night.rest("fast")) == 12
    assert not night.frontier.is_done("fast")
    assert len(night.rest("slow")) == 12
    assert len(night.rest("fast")) == 12
    while night.rest("slow") or night.rest("fast"):
        pass
    assert set(night.said().values()) == {"done"}
    assert len(night.ends) == 200


def test_a_lane_that_stopped_holds_back_nobody() -> None:
    cells = axis("a", *map(str, range(20)))
    night = Night(shot("s", cells, prompt="{{ a }}", chain=[edit("e", model="rival")]), window=1)
    assert len(night.rest("fast")) == 4
    assert len([night.next("slow") for _ in range(4)]) == 4
    assert night.frontier.next("fast") is None
    night.frontier.stop("slow")
    assert len(night.rest("fast")) == 16


# the end


def test_closing_ends_what_was_not_tried_and_finds_what_the_ledger_has() -> None:
    night = Night(shot("s", axis("a", *map(str, range(6))), prompt="{{ a }}", chain=[edit("e")]), window=2)
    last = list(night.plan.cells())[-1].chains[0][0]
    night.book.put(step_key(last.parts()), State.DONE, picture=image("p"))
    night.answer(night.next())
    night.frontier.close()
    said = night.said()
    assert (said["s/0"], said["s/0/e"], said["s/1"], said["s/5"], said["s/5/e"]) == (
        "done",
        "planned",
        "planned",
        "done cached",
        "planned",
    )
    assert len(night.ends) == 12


@pytest.mark.parametrize(
    ("recorded", "ends"),
    [
        (None, ["planned", "planned"]),
        (State.UNKNOWN, ["unknown", "skipped"]),
        (State.DONE, ["done", "planned"]),
        (State.FAILED, ["failed", "skipped"]),
    ],
)
def test_what_never_came_back_is_what_the_ledger_says(recorded: State | None, ends: list[str]) -> None:
    night = Night(shot("s", chain=[edit("e")]))
    work = night.next()
    if recorded is not None:
        night.book.put(work.steps[0].key, recorded, picture=image("p") if recorded is State.DONE else None)
    night.frontier.close()
    assert [str(end.state) for end in night.ends] == ends
    night.frontier.close()
    assert len(night.ends) == 2


def test_what_never_came_back_is_looked_up_where_its_hosts_pictures_belong_by_now() -> None:
    spaces = {"fast": Space("")}
    night = Night(shot("s"), space_of=lambda lane: spaces[lane])
    work = night.next()
    spaces["fast"] = Space("sketch")
    night.book.put(work.steps[0].key, State.UNKNOWN, space="sketch")
    night.frontier.close()
    assert [end.state for end in night.ends] == [State.UNKNOWN]


def test_a_work_is_taken_back_once_and_whole() -> None:
    night = Night(shot("s", n=2, per_request=2))
    work = night.next()
    with pytest.raises(ValueError, match="argument 2"):
        night.frontier.finished(work, [StepResult(state=State.DONE, image=image("p"))])
    night.answer(work)
    with pytest.raises(KeyError):
        night.answer(work)


def test_a_plan_that_is_all_cached_is_walked_in_batches_of_flat_memory() -> None:
    cells = axis("a", *map(str, range(3000)))
    night = Night(shot("s", cells, axis("b", "x", "y"), prompt="{{ a }} {{ b }}"))
    for cell in night.plan.cells():
        night.book.put(step_key(cell.chains[0][0].parts()), State.DONE, picture=image("p"))
    assert night.frontier.pull("fast")
    assert len(night.ends) == BATCH
    assert night.frontier.next("fast") is None
    assert night.frontier.is_done("fast")
    assert set(night.said().values()) == {"done cached"}
    assert night.book.questions == 6000 // BATCH


# any night


ENDS = st.sampled_from([State.DONE] * 6 + [State.FAILED, State.REFUSED, State.UNKNOWN, State.PLANNED, None])
EDITS = st.lists(
    st.tuples(st.sampled_from(["Add.", "Turn."]), st.sampled_from([None, "main", "rival", "copy"])), max_size=3
)
SHOTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["main", "rival", "copy"]),
        st.integers(1, 3),
        st.integers(1, 3),
        EDITS,
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def made_of(drawn: Sequence[tuple[int, str, int, int, list[tuple[str, str | None]], bool]]) -> list[Shot]:
    shots = []
    for at, (size, alias, n, per_request, edits, broken) in enumerate(drawn):
        chain = [
            edit(f"e{depth}", prompt, model=other, images=["gone.png"] if broken and depth == 1 else ())
            for depth, (prompt, other) in enumerate(edits)
        ]
        axes = [axis("a", *"xyz"[:size])] if size else []
        prompt = "{{ a }}" if size else "x"
        shots.append(shot(f"s{at}", *axes, prompt=prompt, model=alias, n=n, per_request=per_request, chain=chain))
    return shots


class Watch:
    """What must be true of any night, checked as it goes."""

    def __init__(self, night: Night) -> None:
        self.night = night
        self.flying: list[Work] = []
        self.bought: Counter[StepKey] = Counter()
        self.stopped = False

    def take(self, lane: str) -> None:
        work = self.night.frontier.next(lane)
        if work is None:
            return
        ended = {end.asset: end.state for end in self.night.ends}
        in_flight = {ready.key for other in self.flying for ready in other.steps}
        for ready in work.steps:
            assert ready.step.parent is None or ended[ready.step.parent] is State.DONE
            assert ready.step.asset not in ended
            assert ready.key not in in_flight
            assert ready.step.provider == lane
            in_flight.add(ready.key)
        assert len({ready.step.axes for ready in work.steps}) == 1
        assert len(work.steps) <= work.steps[0].step.per_request
        self.flying.append(work)

    def land(self, work: Work, states: list[State | None]) -> None:
        self.flying.remove(work)
        for ready, state in zip(work.steps, states, strict=True):
            if state is State.DONE:
                self.bought[ready.key] += 1
        self.night.answer(work, *states)

    def final(self, total: int) -> None:
        names = Counter(end.asset for end in self.night.ends)
        assert len(names) == total
        assert set(names.values()) <= {1}
        assert set(self.bought.values()) <= {1}
        done = [end for end in self.night.ends if end.state is State.DONE and not end.cached]
        assert len(done) == len(self.bought)


@settings(max_examples=250, deadline=None)
@given(SHOTS, st.data(), st.sampled_from([1, 2, 5, 4096]), st.none() | st.integers(0, 6))
def test_any_night_ends_every_asset_once_parents_first_and_no_key_twice(
    drawn: list[tuple[int, str, int, int, list[tuple[str, str | None]], bool]],
    data: st.DataObject,
    window: int,
    limit: int | None,
) -> None:
    shots = made_of(drawn)
    book = Book()
    earlier_night(Night(*shots, book=book), data)
    night = Night(*shots, book=book, window=window, limit=limit)
    watch = Watch(night)
    moves = data.draw(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 5)), max_size=40))
    for move, at in moves:
        play(watch, move, at, data)
    if data.draw(st.booleans()):
        drain(night, watch)
        assert watch.stopped or all(night.frontier.is_done(lane) for lane in night.frontier.lanes)
    for work in list(watch.flying):
        watch.land(work, [State.DONE for _ in work.steps])
    night.frontier.close()
    watch.final(sum(count for _, count in night.plan.totals()))


def earlier_night(night: Night, data: st.DataObject) -> None:
    """Leaves a ledger behind in which some things were done and others went wrong."""
    for lane in night.frontier.lanes:
        for _ in range(data.draw(st.integers(0, 3))):
            work = night.frontier.next(lane)
            if work is not None:
                night.answer(work, *[data.draw(ENDS) for _ in work.steps])


def play(watch: Watch, move: int, at: int, data: st.DataObject) -> None:
    """One thing that may happen in a night: a work starts or ends, cells are looked at, rarely a lane stops."""
    lanes = watch.night.frontier.lanes
    if move < 5:
        watch.take(lanes[at % len(lanes)])
    elif move < 9 and watch.flying:
        work = watch.flying[at % len(watch.flying)]
        watch.land(work, [data.draw(ENDS) for _ in work.steps])
    elif move in {9, 10} and at:
        watch.night.frontier.look_ahead(lanes[at % len(lanes)], at)
    elif move == 9:
        watch.night.frontier.stop(lanes[0])
        watch.stopped = True


def drain(night: Night, watch: Watch) -> None:
    """Goes on until nothing can start any more; with nothing in flight and nothing ready all lanes must be done."""
    while True:
        before = len(watch.flying)
        for lane in night.frontier.lanes:
            watch.take(lane)
        if len(watch.flying) == before == 0:
            return
        for work in list(watch.flying):
            watch.land(work, [State.DONE for _ in work.steps])
