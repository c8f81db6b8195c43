"""The reference pages of docs/reference, written from the code and from what a real bus answers.

`python -m tests.docs.reference` (`make reference`) writes the pages; `tests/docs/test_reference.py` compares them with
what would be written now. So they cannot drift: what is new in the code is missing there, what is gone is too much.

Here are one module a page, the words that the code has no place for (`words`), and the story that the tools' examples
are taken from (`story`). Whatever has no words, and words that are for nothing, fail the build of the page.
"""
