"""What the doctor says: one line, with the cure where something is wrong."""

from __future__ import annotations

from typing import NamedTuple

OK, NOTE, WRONG = 'ok', 'note', 'WRONG'
"""As it should be; not wrong, but good to know; to be put right."""


class Finding(NamedTuple):
    """about: what was looked at, one word; text: one line, cause first, cure last."""

    level: str
    about: str
    text: str

    def __str__(self) -> str:
        return f'{self.level:6} {self.about:10} {" ".join(self.text.split())}'


def ok(about: str, text: str) -> Finding:
    return Finding(OK, about, text)


def note(about: str, text: str) -> Finding:
    return Finding(NOTE, about, text)


def wrong(about: str, text: str) -> Finding:
    return Finding(WRONG, about, text)
