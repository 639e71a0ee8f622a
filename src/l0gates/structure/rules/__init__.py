"""What each operator does to labelled dimensions: one table, from the operator's name to its rule.

A rule takes the state and the node, ties what has to be tied, and returns the blocks of the node's tensor (a list of
them for several outputs). To follow another operator, write its rule and add it to the table of its file. What has
no rule here holds the dimensions that meet it where they are.
"""

from collections.abc import Callable
from typing import Any

from torch.fx import Node

from ..ties import Ties
from . import convolutions, joining, lookups, norms, pointwise, products, reductions, views

Rule = Callable[[Ties, Node], Any]

RULES: dict[str, Rule] = {
    **pointwise.RULES,
    **views.RULES,
    **joining.RULES,
    **lookups.RULES,
    **reductions.RULES,
    **norms.RULES,
    **products.RULES,
    **convolutions.RULES,
}

__all__ = ["RULES", "Rule"]
