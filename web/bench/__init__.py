"""`llm-bus bench`: what the bus costs over a bare echo, and what it gains over plain SQL, measured in one run."""
