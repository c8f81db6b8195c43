"""How long tests wait.

A bound ends a test that hangs. It measures nothing, so it is far above what a busy machine takes.
"""

HANG_SECONDS = 300
"""What takes longer hangs: no try of the product waits for as long."""
