"""Whatever was changed in the containers of a state, taking it back restores them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.undo import Index, Ordered, Table, Undo

SMALL = st.integers(0, 5)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["set", "pop", "delete", "add", "discard", "file", "unfile"]), SMALL, SMALL)
)


class Book:
    def __init__(self) -> None:
        self.undo = Undo()
        self.table: Table[int, int] = Table(self.undo)
        self.ordered: Ordered[int] = Ordered(self.undo)
        self.index: Index[int, int] = Index(self.undo)

    def change(self, name: str, key: int, value: int) -> None:
        match name:
            case "set":
                self.table[key] = value
            case "pop":
                self.table.pop(key)
            case "delete":
                if key in self.table:
                    del self.table[key]
            case "add":
                self.ordered.add(key)
            case "discard":
                self.ordered.discard(key)
            case "file":
                self.index.add(key, value)
            case _:
                self.index.discard(key, value)

    def contents(self) -> Any:
        return dict(self.table), list(self.ordered), {key: list(items) for key, items in self.index.items()}


@given(before=CHANGES, after=CHANGES)
def test_what_is_taken_back_was_never_there(before: Any, after: Any) -> None:
    book = Book()
    for change in before:
        book.change(*change)
    contents = book.contents()
    book.undo.begin()
    for change in after:
        book.change(*change)
    book.undo.take_back()
    assert book.contents() == contents
    assert not book.undo.recording


@given(changes=CHANGES)
def test_items_are_distinct_and_in_order_and_no_key_is_empty(changes: Any) -> None:
    book = Book()
    for change in changes:
        book.change(*change)
    assert list(book.ordered) == sorted(set(book.ordered))
    assert all(list(items) == sorted(set(items)) and items for items in book.index.values())


def test_a_key_whose_last_item_goes_is_absent() -> None:
    index: Index[str, int] = Index(Undo())
    index.add("api", 1)
    index.discard("api", 2)
    index.discard("web", 1)
    assert list(index) == ["api"]
    index.discard("api", 1)
    assert not index


def test_what_is_kept_stays() -> None:
    book = Book()
    book.undo.begin()
    book.change("set", 1, 2)
    book.undo.keep()
    book.undo.take_back()
    assert book.contents() == ({1: 2}, [], {})


def test_steps_of_ones_own_are_called_newest_first_and_only_while_recording() -> None:
    undo, called = Undo(), list[int]()
    undo.note(called.append, 0)
    undo.begin()
    undo.note(called.append, 1)
    undo.note(called.append, 2)
    undo.take_back()
    assert called == [2, 1]


def test_a_list_is_read_by_index_slice_and_membership() -> None:
    items = Ordered(Undo(), [3, 1, 2])
    assert (len(items), items[0], items[1:], 2 in items, 9 in items, items.below(3)) == (3, 1, [2, 3], True, False, 2)


@pytest.mark.parametrize("name", ["setdefault", "update", "clear", "popitem", "__ior__"])
def test_a_table_has_no_way_to_change_that_is_not_recorded(name: str) -> None:
    with pytest.raises(NotImplementedError):
        getattr(Table(Undo()), name)()
