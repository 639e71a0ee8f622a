"""Equations of ``einsum``: their letters written out, and sums over several operands as sums over two."""

from string import ascii_letters

import torch
from torch.fx import Graph, Node

EINSUM = torch.ops.aten.einsum.default


def written_out(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with letters for an ellipsis, and a result where none is said."""
    given, arrow, out = equation.replace(" ", "").partition("->")
    terms = given.split(",")
    if not arrow:
        letters = sorted(set(given) - set(",."))
        out = ("..." if "..." in given else "") + "".join(x for x in letters if given.count(x) == 1)
    spare = [letter for letter in ascii_letters if letter not in equation]
    widths = [rank - len(term) + 3 if "..." in term else 0 for term, rank in zip(terms, ranks, strict=False)]
    most = spare[: max(widths, default=0)]
    written = [term.replace("...", "".join(most[len(most) - n :])) for term, n in zip(terms, widths, strict=False)]
    return written, out.replace("...", "".join(most))


def in_pairs(graph: Graph) -> None:
    """Let each ``einsum`` over three operands or more be a chain of those over two, from left to right."""
    for node in list(graph.nodes):
        if node.target is EINSUM and len(node.args[1]) > 2:
            _chain(graph, node)


def _chain(graph: Graph, node: Node) -> None:
    operands: list[Node] = list(node.args[1])  # type: ignore[arg-type]
    terms, out = written_out(str(node.args[0]), [operand.meta["val"].dim() for operand in operands])
    if any(len(set(term)) != len(term) for term in (*terms, out)):
        return
    made, letters = operands[0], terms[0]
    for number in range(1, len(operands)):
        wanted = set(out).union(*terms[number + 1 :])
        left = "".join(dict.fromkeys(x for x in letters + terms[number] if x in wanted))
        left = out if number == len(operands) - 1 else left
        equation, pair = f"{letters},{terms[number]}->{left}", [made, operands[number]]
        with graph.inserting_before(node):
            made = graph.call_function(EINSUM, (equation, pair))
        made.meta = dict(node.meta)
        with torch.no_grad():
            made.meta["val"] = torch.einsum(equation, *(one.meta["val"] for one in pair))
        letters = left
    node.replace_all_uses_with(made)
    graph.erase_node(node)
