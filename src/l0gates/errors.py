"""The one exception for wrong arguments, and the one shape of its message."""


class ArgumentError(ValueError, AssertionError):
    """A wrong argument.

    It is a ``ValueError``, as Python's users expect, and an ``AssertionError``, which is what code written for
    Captum catches.
    """


def refusal(name: str, *, expected: str, received: object, remedy: str) -> ArgumentError:
    """The error for an argument: what was expected, what was received, what to do.

    It is no constructor, because TorchDynamo shows the message of a plain exception only.

    Examples
    --------
    >>> print(refusal("n_gates", expected="an integer >= 1", received=0, remedy="pass the number of gates"))
    n_gates: expected an integer >= 1; received 0; pass the number of gates
    """
    return ArgumentError(f"{name}: expected {expected}; received {received}; {remedy}")
