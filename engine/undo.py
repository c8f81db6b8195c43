"""Containers whose changes can be taken back, for the books of a project's state.

A batch is decided on the live state before it is durable. When its commit fails, `Undo.take_back` restores the state
change by change, newest first: that costs what the batch changed, not what the state holds. Here are the record of
changes and the containers that write to it. What the books mean by their contents is not decided here.

Invariants: values in a container are immutable; a change replaces a value. Only the methods below change a container.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Item = TypeVar("Item", bound=Any)

_ABSENT: Any = object()


class Undo:
    """The record of changes since `begin`. Without `begin` nothing is recorded, so that recovery pays nothing."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[..., object], tuple[Any, ...]]] | None = None

    @property
    def recording(self) -> bool:
        """Whether changes can be taken back at the moment."""
        return self._steps is not None

    def begin(self) -> None:
        """Record changes from now on; those recorded before stay."""
        self._steps = []

    def keep(self) -> None:
        """The changes stand: forget how to take them back."""
        self._steps = None

    def take_back(self) -> None:
        """Undo every change since `begin`, newest first."""
        steps, self._steps = self._steps or [], None
        for step, arguments in reversed(steps):
            step(*arguments)

    def note(self, step: Callable[..., object], *arguments: Any) -> None:
        """Call `step(*arguments)` when the changes are taken back."""
        if self._steps is not None:
            self._steps.append((step, arguments))


class Table(dict[K, V]):
    """A dict that can be restored. After `take_back` its entries are the same; their order may differ."""

    __slots__ = ("_undo",)

    def __init__(self, undo: Undo, entries: Iterable[tuple[K, V]] = ()) -> None:
        super().__init__(entries)
        self._undo = undo

    def __setitem__(self, key: K, value: V) -> None:
        if self._undo.recording:
            self._note(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: K) -> None:
        if self._undo.recording:
            self._note(key)
        super().__delitem__(key)

    def pop(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]
        """Remove the key; returns its value, or `default` when it is not there."""
        if self._undo.recording:
            self._note(key)
        return super().pop(key, default)

    def _note(self, key: K) -> None:
        before = self.get(key, _ABSENT)
        if before is _ABSENT:
            self._undo.note(dict.pop, self, key, None)
        else:
            self._undo.note(dict.__setitem__, self, key, before)

    def _refused(self, *_: object, **__: object) -> Any:
        raise NotImplementedError("a Table changes by key only")

    setdefault = update = clear = popitem = __ior__ = _refused


class Ordered(Sequence[Item]):
    """Distinct items in ascending order, that can be restored. An item is found in O(log n)."""

    __slots__ = ("_items", "_undo")

    def __init__(self, undo: Undo, items: Iterable[Item] = ()) -> None:
        self._items: list[Item] = sorted(items)
        self._undo = undo

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[Item]:
        backwards: Iterator[Item] = reversed(self._items)
        return backwards

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        return self._items[index]

    def __contains__(self, item: object) -> bool:
        place = self.below(item)
        return place < len(self._items) and self._items[place] == item

    def below(self, item: Any) -> int:
        """How many items are smaller than `item`, which is also the index of the first that is not."""
        return bisect_left(self._items, item)

    def add(self, item: Item) -> None:
        """Insert the item; no-op when it is there."""
        items = self._items
        if not items or items[-1] < item:
            items.append(item)
        elif item in self:
            return
        else:
            insort(items, item)
        self._undo.note(self._remove, item)

    def discard(self, item: Item) -> None:
        """Remove the item; no-op when it is not there."""
        place = self.below(item)
        if place < len(self._items) and self._items[place] == item:
            del self._items[place]
            self._undo.note(insort, self._items, item)

    def _remove(self, item: Item) -> None:
        del self._items[self.below(item)]


class Index(Table[K, Ordered[Item]]):
    """Ordered items by key, that can be restored; a key without items is absent."""

    __slots__ = ()

    def add(self, key: K, item: Item) -> None:
        """Insert the item under the key; no-op when it is there."""
        if (items := self.get(key)) is None:
            items = self[key] = Ordered(self._undo)
        items.add(item)

    def discard(self, key: K, item: Item) -> None:
        """Remove the item from the key; no-op when it is not there."""
        if (items := self.get(key)) is not None:
            items.discard(item)
            if not items:
                del self[key]
