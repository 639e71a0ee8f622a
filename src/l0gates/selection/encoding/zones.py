"""Time zones by their names, and instants as the clocks of a zone show them."""

import datetime
import zoneinfo
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np

_FIXED = "UTC%z"  # as in UTC+02:00


def zone_of(instant: datetime.datetime) -> str:
    """The name of an instant's zone; of a zone without a name, the offset at this instant.

    Examples
    --------
    >>> zone_of(datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2))))
    'UTC+02:00'
    """
    name = str(instant.tzinfo)
    try:
        _zone(name)
    except (KeyError, ValueError):
        return str(datetime.timezone(instant.utcoffset() or datetime.timedelta()))
    return name


def _zone(name: str) -> datetime.tzinfo:
    try:
        return datetime.datetime.strptime(name, _FIXED).tzinfo or datetime.UTC
    except ValueError:
        return zoneinfo.ZoneInfo(name)


def has_zone(value: Any) -> bool:
    """Whether a date tells its zone."""
    return getattr(value, "tzinfo", None) is not None


def clocks_of_objects(instants: Sequence[Any], zone: str) -> list[datetime.datetime | None]:
    """What the clocks of a zone show, without the zone; None where there is no instant."""
    known = _zone(zone)
    return [None if value is None else value.astimezone(known).replace(tzinfo=None) for value in instants]


def clocks(series: nw.Series[Any], zone: str | None) -> np.ndarray:
    """What the clocks of a zone show, of a column of instants: datetime64[us]; None is for dates without one."""
    shift = datetime.timedelta()
    if zone is not None and zone != series.dtype.time_zone:  # type: ignore[attr-defined]
        fixed = zone.startswith("UTC") and zone != "UTC"
        # Not all libraries know zones by their offset.
        shift = _zone(zone).utcoffset(None) or shift if fixed else shift
        series = series.dt.convert_time_zone("UTC" if fixed else zone)
    return np.asarray(series.dt.replace_time_zone(None).to_numpy(), dtype="datetime64[us]") + np.timedelta64(shift)
