"""The adherence kit, copied into other people's repositories: standard library only, nothing of ours imported.

It is handed out as one file, `kit.pyz`, which installs itself into a repository's `.git` and runs from there; see
`kit.bundle`. `kit.hook` is what runs at a commit and in an agent's session, `kit.install` what puts it there.
"""

VERSION = "2"
