"""Products that sum over a dimension: with a weight it is consumed, between two activations it stays."""

from math import prod
from string import ascii_letters

from torch import Tensor
from torch.fx import Node

from ..capture import is_tensor, shape_of
from ..equations import written_out
from ..ties import Block, Blocks, Ties, Use, Work, sizes_of
from .arguments import arguments, rank_of
from .pointwise import REASON, shifted

BETWEEN = "is summed over in a product of two activations"


def contract(ties: Ties, node: Node, one: Node, two: Node, letters: tuple[str, ...]) -> Blocks:
    """The blocks of a sum of products: the dimensions of both operands and of the result, named by letters."""
    names = dict(zip((one, two), letters, strict=False))
    out = letters[2]
    summed = [letter for letter in letters[0] if letter in letters[1] and letter not in out]
    order = out + "".join(summed) + "".join(x for x in letters[0] + letters[1] if x not in out and x not in summed)
    sides = [
        _renamed(ties.of(operand), [order.index(x) for x in named])
        for operand, named in zip((one, two), letters, strict=False)
    ]
    numbers = [order.index(letter) for letter in summed]
    along: dict[int, Tensor] = {}
    activations = [operand for operand in (one, two) if operand not in ties.constant]
    if len(activations) == 1:
        data, weight = activations[0], two if activations[0] is one else one
        inner = 0 if data is one else 1
        sides[inner], sides[1 - inner], along = _consume(ties, sides[inner], sides[1 - inner], numbers)
        for number, ids in along.items():
            axis = names[data].index(order[number]) - len(names[data])
            ties.consumed.append(Use(node, weight, names[weight].index(order[number]), ids, data, axis))
        for block in sides[1 - inner]:
            if len(block.dims) == 1 and block.dims[0] < len(out):
                ties.made.append(Use(node, weight, names[weight].index(order[block.dims[0]]), block.ids))
    else:
        sides = [ties.drop(side, numbers, BETWEEN) for side in sides]
    operands = []
    for side, operand, named in zip(sides, (one, two), letters, strict=False):
        sizes = {order.index(x): size for x, size in zip(named, shape_of(operand), strict=True) if x in out}
        operands.append((ties.drop(side, range(len(out), len(order)), "is summed over"), sizes))
    blocks = ties.match(operands, REASON)
    if len(activations) == 2 and summed:
        shared = {order.index(x) for x in letters[0] if x in letters[1] and x in out}
        ties.heads += [block.ids for block in blocks if shared.intersection(block.dims)]
    ties.work.append(Work(node, _macs((one, two), letters), (*(block.ids for block in blocks), *along.values())))
    return blocks


def _macs(operands: tuple[Node, Node], letters: tuple[str, ...]) -> int:
    """The product of all letters' sizes; of a dimension that is spread, the larger."""
    sizes: dict[str, int] = {}
    for operand, named in zip(operands, letters, strict=False):
        for letter, size in zip(named, shape_of(operand), strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return prod(sizes.values())


def _renamed(blocks: Blocks, numbers: list[int]) -> Blocks:
    return [block.moved(numbers.__getitem__) for block in blocks]


def _consume(ties: Ties, data: Blocks, weight: Blocks, numbers: list[int]) -> tuple[Blocks, Blocks, dict[int, Tensor]]:
    """Tie the summed dimensions of data and weight; what is left of both, and the classes consumed."""
    brought = []
    for block in data:
        inside = [number for number in numbers if number in block.dims]
        brought.append(ties.only(block, inside[:1]) if inside else block)
    along = {}
    for number in numbers:
        mine, other = ties.at(brought, number), ties.at(weight, number)
        if mine is not None and other is not None:
            ties.ids.tie(mine, other)
            along[number] = mine
        for ids in (mine, other):
            if ids is not None and number not in along:
                ties.pin(ids, REASON)
    left = [[b for b in blocks if not set(numbers).intersection(b.dims)] for blocks in (brought, weight)]
    return left[0], left[1], along


def linear(ties: Ties, node: Node) -> Blocks:
    """x W^T + b."""
    named = arguments(node)
    names = _names(rank_of(named["input"]) - 1)
    blocks = contract(ties, node, named["input"], named["weight"], (names + "i", "oi", names + "o"))
    return _plus(ties, blocks, node, named["bias"])


def addmm(ties: Ties, node: Node) -> Blocks:
    """b + x W, and the same for batches."""
    named = arguments(node)
    one, two = (named[key] for key in (("batch1", "batch2") if "batch1" in named else ("mat1", "mat2")))
    return _plus(ties, _matmul(ties, node, one, two), node, named["self"])


def matmul(ties: Ties, node: Node) -> Blocks:
    """Matrix products, for batches too."""
    one, two = node.args[:2]
    return _matmul(ties, node, one, two)  # type: ignore[arg-type]


def _matmul(ties: Ties, node: Node, one: Node, two: Node) -> Blocks:
    ranks = rank_of(one), rank_of(two)
    batch = _names(max(*ranks, 2) - 2)
    ours = batch[len(batch) - max(ranks[0] - 2, 0) :] + ("mk" if ranks[0] > 1 else "k")
    theirs = batch[len(batch) - max(ranks[1] - 2, 0) :] + ("kn" if ranks[1] > 1 else "k")
    out = batch + ("m" if ranks[0] > 1 else "") + ("n" if ranks[1] > 1 else "")
    return contract(ties, node, one, two, (ours, theirs, out))


def einsum(ties: Ties, node: Node) -> Blocks:
    """One or two operands, each letter once in each; more of them were captured in pairs."""
    operands = list(node.args[1])  # type: ignore[arg-type]
    terms, out = written_out(str(node.args[0]), [rank_of(operand) for operand in operands])
    plain = 0 < len(operands) < 3 and all(len(set(term)) == len(term) for term in (*terms, out))
    if not plain or "." in out:
        for operand in operands:
            ties.drop(ties.of(operand), range(rank_of(operand)), "meets an equation that is not followed")
        return []
    if len(operands) == 2:
        return contract(ties, node, operands[0], operands[1], (*terms, out))
    summed = [dim for dim, letter in enumerate(terms[0]) if letter not in out]
    blocks = ties.drop(ties.of(operands[0]), summed, "is summed or averaged over")
    return [block.moved(lambda dim: out.index(terms[0][dim])) for block in blocks]


def tensordot(ties: Ties, node: Node) -> Blocks:
    """Any dimensions of one operand meet as many of the other."""
    named = arguments(node)
    one, two = named["self"], named["other"]
    ours = list(ascii_letters[: rank_of(one)])
    theirs = list(ascii_letters[rank_of(one) :][: rank_of(two)])
    summed = [[d % rank_of(x) for d in named[key]] for x, key in ((one, "dims_self"), (two, "dims_other"))]
    for mine, other in zip(*summed, strict=True):
        theirs[other] = ours[mine]
    out = [letter for letter in ours if letter not in theirs] + [letter for letter in theirs if letter not in ours]
    return contract(ties, node, one, two, ("".join(ours), "".join(theirs), "".join(out)))


def attention(ties: Ties, node: Node) -> Blocks:
    """softmax(q k^T + mask) v: heads stay apart, a key/value head goes with its query heads."""
    named = arguments(node)
    query, key, value = named["query"], named["key"], named["value"]
    rank = rank_of(query)
    last = (rank - 2, rank - 1)
    q = ties.drop(ties.of(query), last, BETWEEN)
    k = ties.drop(ties.of(key), last, BETWEEN)
    v = ties.drop(ties.of(value), last[:1], BETWEEN)
    sizes = [{d: s for d, s in sizes_of(node).items() if d < rank - 2} for node in (query, key)]
    sizes.append({d: s for d, s in sizes_of(value).items() if d != rank - 2})
    if rank > 2 and shape_of(query)[-3] != shape_of(key)[-3]:
        k, v = (_repeated(ties, blocks, rank - 3, shape_of(query)[-3]) for blocks in (k, v))
        for size in sizes:
            size[rank - 3] = shape_of(query)[-3]
    operands = [(q, sizes[0]), (k, sizes[1]), (v, sizes[2])]
    if is_tensor(named["attn_mask"]):
        mask = named["attn_mask"]
        offset = rank - rank_of(mask)
        blocks = ties.drop(shifted(ties.of(mask), offset), last, "goes through a softmax")
        operands.append((blocks, {d + offset: s for d, s in sizes_of(mask).items() if d + offset < rank - 2}))
    blocks = ties.match(operands, REASON)
    ties.heads += [block.ids for block in blocks if block.dims[0] < rank - 2]
    *batch, length, width = shape_of(query)
    macs = prod(batch) * length * shape_of(key)[-2] * (width + shape_of(value)[-1])
    ties.work.append(Work(node, macs, tuple(block.ids for block in blocks)))
    return blocks


def _repeated(ties: Ties, blocks: Blocks, dim: int, size: int) -> Blocks:
    """Key/value heads, each once for each of its query heads."""
    repeated = []
    for block in blocks:
        ids = ties.only(block, (dim,)).ids if dim in block.dims else None
        repeated.append(block if ids is None else Block((dim,), ids.repeat_interleave(size // len(ids))))
    return repeated


def _plus(ties: Ties, blocks: Blocks, node: Node, bias: Node | None) -> Blocks:
    """Tie a bias that is added to the node's tensor."""
    if not is_tensor(bias):
        return blocks
    offset = rank_of(node) - rank_of(bias)  # type: ignore[arg-type]
    sizes = {d + offset: s for d, s in sizes_of(bias).items()}  # type: ignore[arg-type]
    return ties.match([(blocks, sizes_of(node)), (shifted(ties.of(bias), offset), sizes)], REASON)  # type: ignore[arg-type]


def _names(count: int) -> str:
    """Letters for leading dimensions, none of which the callers use."""
    return "ABCDEFGH"[:count]


RULES = {
    "aten.linear": linear,
    "aten.addmm": addmm,
    "aten.baddbmm": addmm,
    "aten.mm": matmul,
    "aten.bmm": matmul,
    "aten.matmul": matmul,
    "aten.mv": matmul,
    "aten.linalg_matmul": matmul,
    "aten.einsum": einsum,
    "aten.tensordot": tensordot,
    "aten.scaled_dot_product_attention": attention,
}
