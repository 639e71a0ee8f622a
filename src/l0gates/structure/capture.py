"""The operator graph of a model, captured without changing the model: modes, config and outputs stay as they are."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from ..errors import refusal
from .equations import in_pairs
from .exporting import export

# What running or exporting a model may raise; anything else is a defect and shall surface.
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
# What torch.export passes through as it is.
_PLAIN = (Tensor, int, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format, type(None))


@dataclass(frozen=True, eq=False)
class Program:
    """The captured operators of a model.

    Parameters
    ----------
    nodes
        All nodes in order of execution.
    weights
        For each placeholder of a parameter or buffer, the first of its qualified names.
    inputs
        For each placeholder of a user's input, its name.
    parameters
        The placeholders of parameters.
    of_one_tensor
        The qualified names of the modules that one tensor was passed to in each call, once or several times over.
    """

    nodes: tuple[Node, ...]
    weights: dict[Node, str]
    inputs: dict[Node, str]
    parameters: frozenset[Node]
    of_one_tensor: frozenset[str]

    @cached_property
    def live(self) -> frozenset[Node]:
        """The nodes that an output is computed from; attention weights that nobody asked for are none."""
        waiting = [node for node in self.nodes if node.op == "output" or _changes_in_place(node)]
        found: set[Node] = set()
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += node.all_input_nodes
        return frozenset(found)

    def users(self, node: Node) -> list[Node]:
        """The live nodes that read a node."""
        return [user for user in node.users if user in self.live]

    @cached_property
    def calls(self) -> dict[str, list[Node]]:
        """The nodes of each module call."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for call in calls_of(node):
                found.setdefault(call, []).append(node)
        return found

    @cached_property
    def runs(self) -> dict[str, set[str]]:
        """The calls of each module."""
        found: dict[str, set[str]] = {}
        for node in self.nodes:
            for call, name in zip(calls_of(node), modules_of(node), strict=True):
                found.setdefault(name, set()).add(call)
        return found


def _name_once(model: nn.Module, nodes: Iterable[Node]) -> None:
    """Let the nodes that a shared module runs know it by its first name, whichever it was called by."""
    seen: dict[nn.Module, str] = {}
    first = {name: seen.setdefault(module, name) for name, module in model.named_modules(remove_duplicate=False)}
    for node in nodes:
        stack = node.meta.get("nn_module_stack") or {}
        node.meta["nn_module_stack"] = {call: (first.get(name, name), kind) for call, (name, kind) in stack.items()}


def as_arguments(example_inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments: a tensor, a tuple of positional ones, or a dict of keyword ones."""
    if isinstance(example_inputs, Tensor):
        return (example_inputs,), {}
    if isinstance(example_inputs, tuple):
        return example_inputs, {}
    if isinstance(example_inputs, dict) or hasattr(example_inputs, "keys"):
        return (), {key: example_inputs[key] for key in example_inputs.keys()}  # noqa: SIM118 - a mapping by duck type
    raise refusal(
        "example_inputs",
        expected="a tensor, a tuple of positional arguments or a dict of keyword arguments",
        received=type(example_inputs).__name__,
        remedy="pass what the model's forward takes; a single dict argument is ({...},)",
    )


def capture(model: nn.Module, example_inputs: Any) -> Program:
    """The operators that a forward of the model runs, in evaluation mode and with caches off.

    Raises
    ------
    ArgumentError
        If the forward does not take the inputs, or its control flow depends on values.
    """
    _check_initialised(model)
    args, kwargs = on_device_of(model, as_arguments(example_inputs))
    with evaluation_without_caches(model), _watched(model) as several:
        try:
            exported = export(model, args, kwargs)
        except FAILURES as error:
            raise _why_not(model, args, kwargs, error) from error
    in_pairs(exported.graph)
    _name_once(model, exported.graph.nodes)
    signature = exported.graph_signature
    targets = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    users = set(signature.user_inputs)
    weights, inputs = {}, {}
    parameters = set(signature.inputs_to_parameters)
    first = first_names(model)
    for node in exported.graph.nodes:
        if node.op == "placeholder" and node.name in targets:
            weights[node] = first.get(targets[node.name], targets[node.name])
        elif node.op == "placeholder" and node.name in users:
            inputs[node] = node.name
    return Program(
        tuple(exported.graph.nodes),
        weights,
        inputs,
        frozenset(node for node in weights if node.name in parameters),
        frozenset(name for name, module in model.named_modules(remove_duplicate=False) if module not in several),
    )


def _check_initialised(model: nn.Module) -> None:
    """Refuse weights that get their shapes in a first forward only."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise refusal(
                "model",
                expected="weights that have their shapes",
                received=f"{name} of a lazy module that was not run yet",
                remedy="call the model once on example_inputs",
            )


@contextmanager
def _watched(model: nn.Module) -> Iterator[set[nn.Module]]:
    """The modules that are called with several tensors, or with none, while this lasts."""
    several: set[nn.Module] = set()

    def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if len(tensors_of(args, kwargs)) != 1:
            several.add(module)

    handles = [module.register_forward_pre_hook(look, with_kwargs=True) for module in model.modules()]
    try:
        yield several
    finally:
        for handle in handles:
            handle.remove()


def tensors_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int, Tensor]:
    """The distinct tensors among the arguments of a call, by identity."""
    return {id(value): value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)}


def first_names(model: nn.Module) -> dict[str, str]:
    """For each name of a parameter or buffer, the first name of the same tensor."""
    first: dict[int, str] = {}
    names = {}
    for listed in (model.named_parameters, model.named_buffers):
        for name, tensor in listed(remove_duplicate=False):
            names[name] = first.setdefault(id(tensor), name)
    return names


@contextmanager
def evaluation_without_caches(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, gradients on and ``use_cache`` off; everything as before afterwards."""
    training = [(module, module.training) for module in model.modules()]
    configs = {id(c): c for m in model.modules() if (c := getattr(m, "config", None)) is not None}
    caching = [(config, config.use_cache) for config in configs.values() if hasattr(config, "use_cache")]
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        model.eval()
        torch.backends.mha.set_fastpath_enabled(False)  # it hides attention in one operator
        for config, _ in caching:
            config.use_cache = False
        with torch.enable_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for config, value in caching:
            config.use_cache = value
        for module, mode in training:
            module.training = mode


def on_device_of(model: nn.Module, arguments: tuple[Any, Any]) -> Any:
    """The arguments with every tensor on the model's device, which may be ``meta``."""
    first = next(model.parameters(), None)
    if first is None:
        return arguments
    return torch.utils._pytree.tree_map_only(Tensor, lambda tensor: tensor.to(first.device), arguments)


def _why_not(model: nn.Module, args: Sequence[Any], kwargs: dict[str, Any], error: Exception) -> Exception:
    """The refusal of a model that cannot be captured: wrong inputs, objects that are not opened, or control flow."""
    try:
        with torch.no_grad():
            result = model(*args, **kwargs)
    except FAILURES as own:
        return refusal(
            "example_inputs",
            expected=f"inputs that the forward of {type(model).__name__} takes",
            received=f"{_shapes(args, kwargs)}, at which it raised {type(own).__name__}: {_first_line(own)}",
            remedy="pass inputs of the shape and type that the model is trained with",
        )
    leaves = torch.utils._pytree.tree_leaves((args, kwargs, result))
    closed = next((leaf for leaf in leaves if not isinstance(leaf, _PLAIN)), None)
    if closed is not None:
        return refusal(
            "model",
            expected="tensors in tuples, lists, dicts or registered classes as inputs and outputs",
            received=f"{type(model).__name__}, with an object of the class {type(closed).__name__} among them",
            remedy="register a dataclass with torch.export.register_dataclass, or let the forward return a dict",
        )
    return refusal(
        "model",
        expected="a forward whose operators do not depend on the values of tensors",
        received=f"{type(model).__name__}, at which torch.export raised {type(error).__name__}: {_first_line(error)}",
        remedy="write data-dependent control flow with torch.where or torch.cond, or pass the part without it",
    )


def _shapes(args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    leaves = torch.utils._pytree.tree_leaves((args, kwargs))
    return ", ".join(f"{leaf.dtype} {tuple(leaf.shape)}" for leaf in leaves if isinstance(leaf, Tensor)) or "no tensor"


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


def shape_of(node: Node) -> tuple[int, ...]:
    """The sizes of a node's tensor."""
    return tuple(int(size) for size in node.meta["val"].shape)


def is_tensor(node: Any) -> bool:
    """Whether a node's value is one tensor, of known sizes."""
    return isinstance(node, Node) and isinstance(node.meta.get("val"), Tensor) and not is_unsized(node)


def is_unsized(node: Node) -> bool:
    """Whether a node's value is a tensor of which a size depends on values, as what a mask picks out has."""
    value = node.meta.get("val")
    return isinstance(value, Tensor) and not all(isinstance(size, int) for size in value.shape)


def operator_of(node: Node) -> str:
    """The name of a node's operator without its overload, e.g. ``aten.linear``."""
    packet = getattr(node.target, "overloadpacket", None)
    if packet is not None:
        return str(packet)
    return getattr(node.target, "__name__", str(node.target))


def modules_of(node: Node) -> tuple[str, ...]:
    """Qualified names of the modules that run a node, from the outermost to the innermost."""
    stack = node.meta.get("nn_module_stack") or {}
    return tuple(str(entry[0]) for entry in stack.values())


def _changes_in_place(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def calls_of(node: Node) -> tuple[str, ...]:
    """One key for each module call that a node runs in, from the outermost to the innermost."""
    return tuple(node.meta.get("nn_module_stack") or {})


def module_of(node: Node) -> str:
    """Qualified name of the innermost module that runs a node."""
    modules = modules_of(node)
    return modules[-1] if modules else ""
