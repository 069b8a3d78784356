"""All that a person or a script sees: which way of speaking is chosen, and nowhere else.

`words` makes the sentences, `plain` writes lines and JSON, `bar` draws while a terminal looks on.
"""

from typing import TYPE_CHECKING

from mayhem_udp.cli.render.base import Form, Output

if TYPE_CHECKING:
    from mayhem_udp.cli.options import Invocation


def open_output(invocation: "Invocation", *, stdout_is_data: bool, has_bars: bool) -> Output:
    """The output that fits the options, and who is looking; where bars would say nothing, there are lines."""
    from mayhem_udp.cli.render.plain import JsonOutput, LineOutput, QuietOutput

    around = invocation.surroundings
    results = around.stderr if stdout_is_data else around.stdout
    progress = invocation.loaded.settings.client.progress
    interval_ns = invocation.loaded.settings.logging.progress_interval_ns
    if invocation.form is Form.JSON:
        return JsonOutput(results, around.stderr)
    if invocation.verbosity < 0:
        return QuietOutput(results, around.stderr)
    if progress == "auto":
        progress = "bar" if around.is_watched and invocation.verbosity == 0 else "lines"
    if progress == "bar" and not has_bars:
        progress = "lines"
    if progress == "bar":
        from mayhem_udp.cli.render.bar import BarOutput

        return BarOutput(results, around.stderr)
    return LineOutput(results, around.stderr, interval_ns=interval_ns if progress == "lines" else 0)
