"""Rows of a table, in memory and mapped from a file."""

import numpy as np
import pytest
import torch

from l0gates.selection.engine import table as module
from l0gates.selection.engine.table import Table

COLUMNS = torch.arange(20.0).reshape(5, 4)


@pytest.fixture(params=["memory", "mapped", "too large for memory"])
def table(request, tmp_path, monkeypatch):
    if request.param == "memory":
        return Table(COLUMNS)
    if request.param == "too large for memory":
        monkeypatch.setattr(module, "_IN_MEMORY", 0)
    file = np.memmap(tmp_path / "columns", dtype=np.float32, mode="w+", shape=(5, 4))
    file[:] = COLUMNS.numpy()
    return Table(torch.from_numpy(file), mapped=True)


def test_rows_of_columns_of_columns(table):
    rows = torch.tensor([[4, 0], [1, 1]])
    assert len(table) == 5
    assert table.n_columns == 4
    assert torch.equal(table.rows(rows), COLUMNS[rows])
    part = table.restricted(torch.tensor([0, 2, 3]))
    assert torch.equal(part.rows(rows), COLUMNS[rows][..., [0, 2, 3]])
    again = part.restricted(torch.tensor([2, 1]))
    assert again.n_columns == 2
    assert torch.equal(again.rows(rows), COLUMNS[rows][..., [3, 2]])


def test_the_digest_tells_tables_apart(table):
    assert table.digest() == Table(COLUMNS.clone()).digest()
    assert table.digest() != Table(COLUMNS + 1).digest()
