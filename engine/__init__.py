"""The rules of coordination: pure, synchronous, no clock, no I/O. Start with `engine.project`."""
