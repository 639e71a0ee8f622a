"""Columns of text in a CSV file: which of it is missing, numbers or dates, and what of it a reader should know."""

from contextlib import suppress

import polars as pl

from ..encoding.accepted import few

# How files spell a missing value; compared in lower case and without blanks around.
_MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "?")
# A number but for a decimal comma, separators of thousands, a currency or a per cent sign.
_FORMATTED = r"^[-+]?[$€£¥]? ?[-+]?(\d+|\d{1,3}([.,' ]\d{3})+)([.,]\d+)?( ?[%$€£¥])?$"
# What looks like a date, and how those are written that are read.
_DATE = r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})($|[ T])"
_FORMS = ("%Y-%m-%d", "%Y/%m/%d", *(f"%{a}{sep}%{b}{sep}%Y" for a, b in ("dm", "md") for sep in "/.-"))
_DAY_AND_MONTH = r"^(\d{1,2})([/.-])(\d{1,2})\b"


def read_text(column: pl.Series) -> tuple[pl.Series, list[str]]:
    """A column as its values are written: numbers or dates where all of them are, else text without blanks around it.

    Words for a missing value become null. Dates are read day first, month first where only that fits all of them.
    Integers so long that floats cannot tell them apart are names, not numbers.

    Parameters
    ----------
    column
        As polars reads it from a file, without dates.

    Returns
    -------
    Series
        The values.
    list of str
        What to say of them: which way dates were read that could be read in two.
    """
    if column.dtype.is_integer():
        distinct = column.cast(pl.Float64).n_unique() == column.n_unique()
        return column if distinct else column.cast(pl.String), []
    if column.dtype != pl.String:
        return column, []
    stripped = column.str.strip_chars()
    text = stripped.set(stripped.str.to_lowercase().is_in(_MISSING).fill_null(True), None)
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        return numbers, []
    day_first, month_first = _dates(text), _dates(text.str.replace(_DAY_AND_MONTH, "${3}${2}${1}"))
    if day_first is None:
        return text if month_first is None else month_first, []
    if month_first is None or month_first.equals(day_first):
        return day_first, []
    example = (day_first != month_first).arg_true()[0]
    return day_first, [
        f"{column.name} is read day first, {text[example]} as {day_first[example]}: write year-month-day if the month "
        "comes first"
    ]


def _dates(text: pl.Series) -> pl.Series | None:
    """Dates, with or without the time of the day, or times, if all values are."""
    # Polars takes 20 s to find that a million values are no dates.
    first = text.drop_nulls().head(10)
    for kind in (pl.Date, pl.Datetime, pl.Time):
        with suppress(pl.exceptions.ComputeError):
            if not first.str.strptime(kind, strict=False).null_count():
                found = text.str.strptime(kind, strict=False)
                if found.null_count() == text.null_count():
                    return found
    return None


def why_text(frame: pl.DataFrame) -> list[str]:
    """What to say of columns that are taken for text though their values look like numbers or dates."""
    notes, formatted = [], {}
    for column in frame.select(pl.col(pl.String)):
        if words := words_among_numbers(column):
            notes.append(f"{column.name} is taken for text, as it holds {few(words)} among numbers")
        elif found := _formatted_number(column):
            formatted[column.name] = found
        elif why := _why_no_dates(column):
            notes.append(f"{column.name} is taken for text, {why}")
        elif _holds_numbers(column):
            notes.append(f"{column.name} is taken for text, as its numbers are stored as text: convert it")
    if formatted:
        notes.append(
            f"taken for text, as no plain numbers: {few([f'{name} ({found})' for name, found in formatted.items()])}; "
            "write a point for decimals, and nothing else but digits"
        )
    return notes


def _formatted_number(column: pl.Series) -> str | None:
    """A value that is no number but for how it is written, where all others are that or numbers."""
    values = column.drop_nulls()
    others = values.filter(values.cast(pl.Float64, strict=False).is_null())
    return str(others[0]) if len(others) and values.str.contains(_FORMATTED).all() else None


def _holds_numbers(column: pl.Series) -> bool:
    """Whether all values are numbers, which floats can tell apart; in a CSV file those are read as numbers."""
    values = column.drop_nulls().unique()
    numbers = values.cast(pl.Float64, strict=False)
    return len(values) > 0 and not numbers.null_count() and numbers.n_unique() == len(values)


def words_among_numbers(column: pl.Series) -> list[str]:
    """Of a column of text, the values that are no numbers, if most are."""
    if column.dtype != pl.String:
        return []
    values = column.drop_nulls().unique()
    words = values.filter(values.cast(pl.Float64, strict=False).is_null())
    return sorted(words.to_list()) if 0 < len(words) < 0.1 * len(values) else []


def _why_no_dates(column: pl.Series) -> str | None:
    """Why a column of text is none of dates, where most of its values look like dates."""
    values = column.drop_nulls().unique(maintain_order=True)
    alike = values.filter(values.str.contains(_DATE))
    if len(alike) <= 0.9 * len(values):
        return None
    days = values.str.extract(r"^([^ T]*)")
    read = max((days.str.to_date(form, strict=False) for form in _FORMS), key=lambda found: found.count())
    others = values.filter(read.is_null())
    if not len(others):
        return f"though {alike[0]} looks like a date: write 2020-01-31, or 2020-01-31 10:30"
    return f"as it holds {few(others.to_list())} among dates"
