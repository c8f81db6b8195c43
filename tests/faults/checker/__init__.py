"""Decides whether a history is right: what clients were told, held against what the ledger holds.

The checker shares no code with the product. It reads the rows of the `events` table as plain JSON, and it has its own
small model of what they mean (`timeline`).

Deciding whether a history is linearizable is NP-complete in general, because somebody must guess the order of
operations that overlap (Gibbons and Korach, 1997). Here nobody guesses: the ledger *is* an order. So it is enough to
check that this one order is a right one:

1. The ledger by itself makes sense: no gap, each sequence counts by one, nothing twice (`ledger`).
2. Every acknowledged write has its row, and the row says what was answered (`evidence`).
3. The ledger's order agrees with real time: an operation that ended before another one began comes before it, for
   every pair of clients and servers. Reads have no row; each gets the earliest moment of the ledger at which its answer
   was true and that is not before what had been answered when it began. Taking the earliest is optimal: a later one
   could only restrict more of the operations that follow (`order`).
4. What an order alone does not promise: digests skip nothing (`digests`), a key always gives the same answer.

All clients of a history run in one process and read one clock, so "before" is exact.
"""

from tests.faults.checker.history import Failover, Operation, Row, operations, read_ledger
from tests.faults.checker.verdict import Verdict, Violation, check

__all__ = ["Failover", "Operation", "Row", "Verdict", "Violation", "check", "operations", "read_ledger"]
