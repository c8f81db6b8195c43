"""One Trio actor per project: it decides in memory, commits in groups, and answers only what is durable."""
