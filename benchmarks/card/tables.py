"""``python -m benchmarks.card.tables``: put what was recorded on a card into the documentation."""

from .. import pages, record


def gates() -> str:
    """A training step beside Captum's and the floor's."""
    rows = []
    for case, side in record.read_nested("card_gates", "case", "gates").items():
        ours, captums, compiled = side["l0gates"], side["captum"], side.get("captum compiled")
        than_compiled = float(compiled["ms_median"]) / float(ours["ms_median"]) if compiled else None
        rows.append(
            [
                case,
                f"{float(ours['ms_median']):.2f} ({float(ours['ms_p20']):.2f} to {float(ours['ms_p80']):.2f})",
                f"{float(captums['ms_median']):.2f}",
                f"{float(ours['speed_of_captum']):.1f} x",
                f"{than_compiled:.1f} x" if than_compiled else "",
                f"{float(ours['time_of_floor']):.2f} x",
                f"{float(ours['peak_of_input']):.1f}, {float(captums['peak_of_input']):.1f}",
            ]
        )
    columns = ["case", "l0gates, ms (20th to 80th percentile)", "Captum, ms", "faster than Captum"]
    columns += ["than compiled Captum", "time of the floor", "peak memory: l0gates, Captum"]
    return pages.table(columns, rows)


def latency() -> str:
    """Dense and compact models."""
    rows = []
    for row in record.read("card_latency"):
        ratio = float(row["dense_ms"]) / float(row["compact_ms"])
        multiple = "" if row["round_to"] == "1" else row["round_to"]
        left = [f"{float(row[name]):.3f}" for name in ("multiply_adds", "parameters")]
        times = [f"{float(row[name]):.2f}" for name in ("dense_ms", "compact_ms")]
        rows.append([row["network"], row["target"], multiple, *left, *times, f"{ratio:.2f} x"])
    columns = [
        "network",
        "asked for",
        "`round_to`",
        "multiply-adds",
        "parameters",
        "dense, ms",
        "compact, ms",
        "faster",
    ]
    return pages.table(columns, rows)


def selection() -> str:
    """The same fits on the card and on the processor."""
    rows = []
    for table, on in record.read_nested("card_selection", "table", "on").items():
        found = [f"{on[device]['true_found']} of {on[device]['n_true']}" for device in ("cuda", "cpu")]
        false = [on[device]["false_found"] for device in ("cuda", "cpu")]
        rows.append(
            [table, ", ".join(found), ", ".join(false), f"{on['cuda']['seconds']} s", f"{on['cpu']['seconds']} s"]
        )
    columns = ["table", "true columns found: card, processor", "false ones", "card", "processor, 16 threads"]
    return pages.table(columns, rows)


def main() -> None:
    """Write all three."""
    row = record.read("card_gates")[-1]
    print(f"{row['card']}, commit {row['commit']}, PyTorch {row['torch']}")
    for name, table in (("card_gates", gates()), ("card_latency", latency()), ("card_selection", selection())):
        pages.put("benchmarks.md", name, table)


if __name__ == "__main__":
    main()
