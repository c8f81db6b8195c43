"""`llm-bus`, and `python -m llm_bus`."""

from llm_bus import enter


def main() -> None:
    """Run the command line."""
    enter()
    from web.cli import entry  # noqa: PLC0415 - found only now

    entry.main()


if __name__ == "__main__":
    main()
