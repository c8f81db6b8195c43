"""Projects and their ledgers: appending, reading, snapshots, news between processes, and figures for pages."""
