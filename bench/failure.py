"""The one exception of the harness: a measurement that cannot be made, or must not be believed, and the reason."""


class BenchFailure(Exception):
    """Blame is in the text: a missing program, a proxy that did not start, a load that saw errors."""
