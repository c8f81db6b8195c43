"""Free names: what people and agents type to name a lane, a tag, a participant, a surface.

Two names that look the same must be the same, or a post waits in a lane that nobody works in. So every way in gives a
name one spelling (`tidied`) and refuses what a reader cannot see (`unseen`).
"""

import re
import unicodedata

_INVISIBLE_LETTERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Unicode counts as letters, marks and symbols and draws as nothing (Default_Ignorable_Code_Point, and the blank
Braille pattern). `str.isprintable` refuses the others: controls, zero-width characters, direction marks."""


def tidied(name: str) -> str:
    """The one spelling of a name: NFC, without white space at its ends."""
    return unicodedata.normalize("NFC", name).strip()


def unseen(name: str) -> str | None:
    """The first character that a reader cannot see, as `U+200B`; None when there is none."""
    for character in name:
        if not character.isprintable() or _INVISIBLE_LETTERS.match(character):
            return f"U+{ord(character):04X}"
    return None
