"""The example runs from the data frame to the saved model, with fewer steps."""

import select_columns


def test_the_example_from_the_data_frame_to_the_saved_model(tmp_path, capsys):
    classifier = select_columns.main(tmp_path / "out", max_iter=40, hidden_layer_sizes=())
    printed = capsys.readouterr().out
    assert "of 41 columns: " in printed
    assert "{'n_features_to_select': 3}: 3 columns" in printed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "importance.html",
        "model",
        "path.html",
        "tradeoff.html",
    ]
    assert classifier.scores_["n_rows"] == 114
    assert classifier.scores_["kept"] > 0.85
