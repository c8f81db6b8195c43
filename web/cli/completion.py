"""`llm-bus completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

from web.cli.terminal import say

PROGRAM = "llm-bus"

_EPILOG = """\b
  bash   add to ~/.bashrc:                    eval "$(llm-bus completion bash)"
  zsh    add to ~/.zshrc:                     eval "$(llm-bus completion zsh)"
  fish   llm-bus completion fish > ~/.config/fish/completions/llm-bus.fish
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a SHELL."""
    completing = get_completion_class(shell)
    assert completing is not None  # noqa: S101 - click brings these three
    variable = f"_{PROGRAM.upper().replace('-', '_')}_COMPLETE"
    say(completing(context.find_root().command, {}, PROGRAM, variable).source())
