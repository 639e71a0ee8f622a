"""One of two processes that train an attached model with DistributedDataParallel over gloo; prints what it saw."""

import json
import sys
import warnings

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from l0gates.pruning import attach
from l0gates.structure import gates_of


def main() -> None:
    """Train one step as a rank of two."""
    warnings.simplefilter("ignore")
    store, rank = sys.argv[1], int(sys.argv[2])
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    attach(model, torch.randn(2, 4), init_active_prob=0.6)
    parallel = DistributedDataParallel(model)
    torch.manual_seed(rank)
    output = parallel(torch.ones(3, 4))
    output.square().sum().backward()
    (gates,) = gates_of(parallel).values()
    print(json.dumps({"output": output.tolist(), "gradient": gates.log_alpha_param.grad.tolist()}))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
