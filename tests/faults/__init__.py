"""Faults under load, and the proof that nothing is lost by them.

Where to begin reading: a `plan` is drawn from a seed and says which `world` is made and which faults of the `catalogue`
strike it. `run` makes the world, keeps its clients at work (`workload`), strikes, and hands what they were told to the
`checker`. The world is made of real processes: a PostgreSQL (`cluster`), servers (`processes`), the network between
them (`wire`), and perhaps a `pooler` and wrong `clocks`.
"""
