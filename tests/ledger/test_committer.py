"""Group commits: told only after the commit, failing alone, committed although cancelled."""

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import trio.testing

from pipeline.domain.errors import LedgerFault
from pipeline.domain.record import PAID, Outcome
from pipeline.ledger import Committer, Fenced, Ledger, SlotTaken, inline
from tests.ledger.making import RUN, begun, done, intent, key, opened, settled, view


class Counting:
    """Executes transactions where they stand and counts them."""

    def __init__(self) -> None:
        self.transactions = 0

    async def __call__(self, transaction: object) -> None:
        self.transactions += 1
        assert callable(transaction)
        transaction()
        await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_many_callers_share_a_transaction_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    place = Counting()
    with begun(tmp_path) as ledger:
        committer = Committer(ledger, place=place)
        answers: dict[int, int] = {}

        async def buy(number: int) -> None:
            def operation(book: Ledger) -> int:
                book.open_attempt(intent(number, (number,)))
                return number * number

            answers[number] = await committer.do(operation)

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(buy, number)
        assert answers == {number: number * number for number in range(100)}
        assert place.transactions <= 3
        assert view(tmp_path, "SELECT count(*) AS n FROM v_attempts") == [{"n": 100}]


@pytest.mark.anyio
async def test_a_caller_is_told_only_after_its_commit(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        committer = Committer(ledger)

        async def buy(number: int) -> None:
            await committer.do(lambda book: book.open_attempt(intent(number, (number,))))
            rows = view(tmp_path, f"SELECT outcome FROM v_attempts WHERE attempt_id = 'attempt-{number}'")
            assert rows == [{"outcome": "sent"}]

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(buy, number)


@pytest.mark.anyio
async def test_one_that_fails_undoes_itself_alone(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        committer = Committer(ledger)
        outcomes: dict[int, str] = {}

        async def buy(number: int) -> None:
            try:
                # Attempts of even number want the slot of their neighbour too: one of each pair is refused.
                await committer.do(lambda book: book.open_attempt(intent(number, (number, number | 1))))
                outcomes[number] = "sent"
            except (SlotTaken, LedgerFault) as error:
                outcomes[number] = type(error).__name__

        async with anyio.create_task_group() as group:
            for number in range(0, 20, 2):
                group.start_soon(buy, number)
                group.start_soon(buy, number + 1)
        assert sorted(outcomes.values()) == ["SlotTaken"] * 10 + ["sent"] * 10
        known = {row["attempt_id"] for row in view(tmp_path, "SELECT attempt_id FROM v_attempts")}
        assert known == {f"attempt-{number}" for number, outcome in outcomes.items() if outcome == "sent"}
        # Nothing of those refused is left: no claim, no request counted.
        assert ledger.run(RUN).requests == 10  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_an_operation_of_several_writes_is_all_or_nothing(tmp_path: Path) -> None:
    def both(book: Ledger) -> None:
        book.open_attempt(intent(1, (1,)))
        book.open_attempt(intent(2, (1,)))  # its slot is claimed by the first

    with begun(tmp_path) as ledger:
        committer = Committer(ledger)
        async with anyio.create_task_group() as group:
            group.start_soon(committer.do, lambda book: book.open_attempt(intent(3, (3,))))
            with pytest.raises(SlotTaken):
                await committer.do(both)
        assert view(tmp_path, "SELECT attempt_id FROM v_attempts") == [{"attempt_id": "attempt-3"}]


@pytest.mark.anyio
async def test_what_a_cancelled_caller_wanted_written_is_written(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        committer = Committer(ledger)
        for number in range(8):
            ledger.open_attempt(intent(number, (number,)))
        ended = 0

        async def end(number: int) -> None:
            nonlocal ended
            await committer.do(lambda book: book.settle(done(number, f"picture {number}")))
            ended += 1
            await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(end, number)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert ended == 8
        assert len(ledger.slots(PAID, [key(number) for number in range(8)])) == 8


@pytest.mark.anyio
async def test_a_transaction_that_cannot_be_committed_fails_all_its_callers(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger, opened(tmp_path):
        committer = Committer(ledger)
        fenced = 0

        async def buy(number: int) -> None:
            nonlocal fenced
            with pytest.raises(Fenced):
                await committer.do(lambda book: book.open_attempt(intent(number, (number,))))
            fenced += 1

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(buy, number)
        assert fenced == 5
        assert view(tmp_path, "SELECT * FROM v_attempts") == []


@pytest.mark.parametrize(
    "anyio_backend", [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})], ids=["virtual time"]
)
@pytest.mark.anyio
async def test_without_a_thread_virtual_time_does_not_jump(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        committer = Committer(ledger, place=inline)
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(committer.do, lambda book, n=number: book.open_attempt(intent(n, (n,))))
        await committer.do(lambda book: book.settle(settled(3, Outcome.REFUSED)))
        assert anyio.current_time() == began


@pytest.mark.anyio
async def test_callers_of_one_thread_after_another_all_get_through(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        committer = Committer(ledger)

        async def buy(first: int) -> None:
            for number in range(first, first + 20):
                await committer.do(lambda book, n=number: book.open_attempt(intent(n, (n,))))  # type: ignore[misc]
                await committer.do(lambda book, n=number: book.settle(done(n, f"picture {n}")))  # type: ignore[misc]
                ledger.slots(PAID, [key(number)])  # reads from the loop's thread meanwhile

        async with anyio.create_task_group() as group:
            for worker in range(8):
                group.start_soon(buy, worker * 20)
        run = ledger.run(RUN)
        assert run is not None
        assert (run.requests, run.images, run.spent) == (160, 160, 160 * 70_001)
