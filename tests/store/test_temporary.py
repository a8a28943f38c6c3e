"""Names of files that are being written: never the same twice, in one process or in one made from it."""

import os

from pipeline.domain.temporary import is_temporary, temporary_name


def test_names_differ_and_are_known_again() -> None:
    names = [temporary_name() for _ in range(1000)]
    assert len(set(names)) == 1000
    assert all(map(is_temporary, names))
    assert not is_temporary(".part-one")


def test_a_process_that_was_forked_draws_names_of_its_own() -> None:
    first = temporary_name()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, "".join(temporary_name() for _ in range(20)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with os.fdopen(reading) as file:
        said = file.read()
    theirs = {f".part-{name}" for name in said.split(".part-")[1:]}
    ours = {first, *(temporary_name() for _ in range(20))}
    assert len(theirs) == 20
    assert not theirs & ours
