"""Laws of the order in several processes: all tests, each once; what takes long is begun first."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.order import pytest_collection_modifyitems, spread

LIMIT = 300.0


@dataclass(eq=False)
class Item:
    """What the order knows of a test: its module and its markers."""

    path: Path
    marks: dict[str, pytest.Mark] = field(default_factory=dict)
    fixturenames: tuple[str, ...] = ()

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return self.marks.get(name)


def items_of(module: str, marks: dict[str, tuple[float, ...]], count: int, *fixtures: str) -> list[Item]:
    made = {name: getattr(pytest.mark, name)(*arguments).mark for name, arguments in marks.items()}
    return [Item(Path(module), made, fixtures) for _ in range(count)]


kinds = st.sampled_from([{}, {}, {"slow": ()}, {"torch": ()}, {"cluster": ()}, {"timeout": (900.0,)}])
fixtures = st.sampled_from([(), ("installed",)])
modules = st.lists(st.tuples(kinds, st.integers(1, 30), fixtures), max_size=30)


@given(modules=modules, processes=st.integers(1, 6))
def test_every_test_is_run_once_and_a_module_stays_together(
    modules: list[tuple[dict[str, tuple[float, ...]], int, tuple[str, ...]]], processes: int
) -> None:
    """But for modules without a long test, which fill the pieces up."""
    made = [
        items_of(f"{number}", marks, count, *needed) for number, (marks, count, needed) in enumerate(modules)
    ]
    items = [item for module in made for item in module]

    ordered = spread(items, processes, LIMIT)

    assert sorted(map(id, ordered)) == sorted(map(id, items))
    for module in made:
        at = [ordered.index(item) for item in module]
        assert at == sorted(at)
        assert not module[0].marks or at[-1] - at[0] == len(at) - 1


def test_each_process_begins_with_long_tests_and_ends_with_quick_ones() -> None:
    """The clusters' in one piece, which waits; above all those with a time limit of their own."""
    quick = items_of("quick", {}, 200)
    slow = [items_of(f"slow{number}", {"slow": ()}, 10) for number in range(3)]
    longest = items_of("longest", {"timeout": (900.0,)}, 20)
    cluster = items_of("cluster", {"cluster": (), "timeout": (300.0,)}, 9)
    items = [*quick, *slow[0], *cluster, *slow[1], *longest, *slow[2]]
    each = len(items) // 3

    ordered = spread(items, 3, LIMIT)

    pieces = [ordered[:each], ordered[each : 2 * each], ordered[2 * each :]]
    begins = [cluster, [*longest, *slow[1]], [*slow[0], *slow[2]]]
    for piece, begin in zip(pieces, begins, strict=True):
        assert piece[: len(begin)] == begin
        assert all(item in quick for item in piece[len(begin) :])


def test_an_installed_ftjob_is_installed_by_one_process() -> None:
    """Tests that need images alone are in another piece, those that need neither in a third, and the fourth
    begins with what needs no cluster. With fewer processes the last kinds are in one piece."""
    needs = {"a": ["installed", "image"], "b": ["image"], "c": []}
    installed, images, bare = (items_of(name, {"cluster": ()}, 4, *needed) for name, needed in needs.items())
    slow, quick = items_of("slow", {"slow": ()}, 4), items_of("quick", {}, 16)
    items = [*quick, *bare, *slow, *images, *installed]

    four, three = spread(items, 4, LIMIT), spread(items, 3, LIMIT)

    assert [four[:4], four[8:12], four[16:20], four[24:28]] == [installed, images, bare, slow]
    assert three[:4] == installed
    assert three[10:18] == [*bare, *images]


def test_without_a_cluster_every_process_begins_with_long_tests() -> None:
    """None is left to wait."""
    quick, slow = (
        items_of("quick", {}, 20),
        [items_of(f"slow{number}", {"slow": ()}, 2) for number in range(2)],
    )

    ordered = spread([*quick, *slow[0], *slow[1]], 2, LIMIT)

    assert [ordered[:2], ordered[12:14]] == slow


def test_one_process_runs_them_as_they_stand(pytestconfig: pytest.Config) -> None:
    """Without xdist nothing is moved."""
    items = [*items_of("quick", {}, 2), *items_of("slow", {"slow": ()}, 2)]
    config = type("Config", (), {"getini": pytestconfig.getini})()
    kept = list(items)

    pytest_collection_modifyitems(config, items)

    assert items == kept
