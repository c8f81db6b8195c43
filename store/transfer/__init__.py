"""A project as files that can be committed, and back: `export` and `restore` are the two ways through."""
