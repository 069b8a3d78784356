"""`mayhem completion SHELL`: the script that makes a shell complete our words."""

import click
from click.shell_completion import get_completion_class

from mayhem_udp.cli.options import examples

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    short_help="Print the completion script of a shell.",
    epilog=examples(
        "bash:  mayhem completion bash > ~/.local/share/bash-completion/completions/mayhem",
        "zsh:   mayhem completion zsh > ~/.zfunc/_mayhem      (a folder in $fpath)",
        "fish:  mayhem completion fish > ~/.config/fish/completions/mayhem.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the script that makes SHELL complete verbs, options and files."""
    from mayhem_udp.cli.main import mayhem

    found = get_completion_class(shell)
    assert found is not None
    completer = found(mayhem, {}, "mayhem", "_MAYHEM_COMPLETE")
    # Not `source()`: it runs the shell to see its version, which is not this machine's business.
    click.echo(completer.source_template % completer.source_vars())
    return 0
