"""Free names: what people and agents type to name a lane, a tag, a participant, a surface.

Two names that look the same must be the same, or a post waits in a lane that nobody works in. So every way in gives a
name one spelling (`tidied`) and refuses what a reader cannot see (`unseen`). A participant's label stands for somebody,
so it is held to more: no two of an owner share a `likeness`, and none mixes scripts as forged names do.
"""

import re
import unicodedata

import regex

_BLANK = r"\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800"
"""Controls, direction marks, zero-width characters, every space, and the blank Braille pattern."""

_UNSEEN = regex.compile(rf"[{_BLANK}--\ ]", regex.VERSION1)
"""Every blank but the common space."""

_SEEN = regex.compile(rf"[^{_BLANK}]", regex.VERSION1)

_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, and halves of surrogate pairs."""

NOTHING_IN_WORDS = frozenset({"null", "none", "nil", "undefined", "n/a", "nan", "-", "--", "\u2013", "\u2014"})
"""Words that programs and models write for "no name", in small letters."""

_TIDIED_MAX = 1_000
"""Longer texts are too long for any name. Normalizing takes the square of the number of accents in a row."""

_HYPHENS = {0x2010: "-", 0x2011: "-"}
"""Hyphens that look as the one of keyboards does. Language models write them where a line must not break."""

_AROUND_A_LABEL = re.compile(r"^[@\s]+|\s+$")

_AROUND_WORDS = "()<>[]{}."

_SCRIPTS = (
    *("Arabic", "Armenian", "Bengali", "Bopomofo", "Cyrillic", "Devanagari", "Ethiopic", "Georgian", "Greek"),
    *("Gujarati", "Gurmukhi", "Han", "Hangul", "Hebrew", "Hiragana", "Kannada", "Katakana", "Khmer", "Lao", "Latin"),
    *("Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thaana", "Thai", "Tibetan"),
)
"""Scripts in everyday use (UAX #31, table 5)."""

_WRITTEN_TOGETHER = ("Latin Han Hiragana Katakana", "Latin Han Bopomofo", "Latin Han Hangul")
_ONE_SCRIPT = regex.compile(
    "|".join(
        "[" + "".join(rf"\p{{scx={script}}}" for script in [*scripts.split(), "Common", "Inherited"]) + "]*"
        for scripts in (*_SCRIPTS, *_WRITTEN_TOGETHER)
    )
)
"""UTS #39, section 5.2, "highly restrictive"."""


def tidied(name: str) -> str:
    """The one spelling of a name: NFC, the hyphen of keyboards, without white space at its ends.

    What is too long for a name is not normalized.
    """
    normal = unicodedata.normalize("NFC", name) if len(name) <= _TIDIED_MAX else name
    return normal.translate(_HYPHENS).strip()


def says_nothing(name: str) -> bool:
    """Whether a name is a word for having none, such as `null`, `None` or `(none)`."""
    return name.strip().strip(_AROUND_WORDS).casefold() in NOTHING_IN_WORDS


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing of a text."""
    return _SEEN.search(text) is None


def is_text(text: str) -> bool:
    """Whether PostgreSQL and UTF-8 can hold it.

    Other control characters are part of what an agent says, as in the coloured output of a test that it hands over:
    they are kept, and shown in a form that no terminal obeys.
    """
    return (text.isascii() and text.isprintable()) or _NO_TEXT.search(text) is None


def unseen(name: str) -> str | None:
    """The first character that a reader cannot see, such as `U+200B`; None when there is none."""
    found = None if name.isascii() and name.isprintable() else _UNSEEN.search(name)
    return None if found is None else f"U+{ord(found.group()):04X}"


def likeness(label: str) -> str:
    """A key that labels of one meaning share: NFKC and case folding (UAX #31, "NFKC_Casefold"), one hyphen, no `@`."""
    folded = unicodedata.normalize("NFKC", label).casefold()
    return _AROUND_A_LABEL.sub("", unicodedata.normalize("NFKC", folded).translate(_HYPHENS))


def mixes_scripts(label: str) -> bool:
    """Whether a label has letters of scripts that nobody writes in one word, such as a Cyrillic one among Latin."""
    return not label.isascii() and _ONE_SCRIPT.fullmatch(label) is None
