"""What we hand to other people's repositories: standard library only, nothing of ours imported."""
