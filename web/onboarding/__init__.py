"""The words and files that connect an agent: guide, instructions, connect commands, client configuration."""
