"""The command line, and what only it does: first run, doctor, demo."""
