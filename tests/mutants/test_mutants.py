"""The mutation runner sees a mistake, and the list of survivors names mutants that there are."""

import ast

import pytest
from tests.mutants.mutants import PACKAGE, ROOT, TESTS, explained
from tests.mutants.mutation import mutants_of, mutate

SOURCE = """
def window(age, most):
    if age < most and most:
        return True
    raise ValueError
"""


def test_each_mutant_changes_one_place_of_the_source() -> None:
    made = [ast.unparse(mutate(SOURCE, each.number)) for each in mutants_of(SOURCE)]
    assert len(set(made)) == len(made)
    assert ast.unparse(ast.parse(SOURCE)) not in made
    assert any("age <= most" in each for each in made)
    assert any("most or" in each or "or most" in each for each in made)
    assert any("return False" in each for each in made)
    assert any("pass" in each for each in made)


@pytest.mark.parametrize("room", TESTS)
def test_the_tests_of_each_room_exist(room: str) -> None:
    assert (PACKAGE / room).is_dir()
    assert all((ROOT / "tests" / each).exists() for each in TESTS[room])


def test_each_explained_survivor_is_a_mutant_that_exists() -> None:
    for line, reason in explained().items():
        file, _, text = line.partition(": ")
        assert text in {each.text for each in mutants_of((PACKAGE / file).read_text("utf-8"))}
        assert reason
