"""What a server logs in a test, to wait for."""

import io

import pytest
import trio

from tests.bounds import HANG_SECONDS


class Log(io.StringIO):
    """What was logged so far; all of it is `getvalue()`."""

    async def once_it_has(self, text: str, count: int = 1) -> str:
        """All of it, once `text` is there so many times. A test that waits in vain fails with what was logged."""
        with trio.move_on_after(HANG_SECONDS):
            while self.getvalue().count(text) < count:  # noqa: ASYNC110 - the log tells nobody
                await trio.sleep(0.02)
            return self.getvalue()
        pytest.fail(f"{text!r} was not logged {count} times. This was:\n{self.getvalue()}")
