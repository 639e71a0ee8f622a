"""Survival analysis in plain functions: concordance, and Breslow's baseline hazard with what follows from it."""

import numpy as np

from ...errors import refusal


def concordance_index(
    time: np.ndarray, event: np.ndarray, *, risk: np.ndarray, weight: np.ndarray | None = None
) -> float:
    """Harrell's concordance index: the share of comparable pairs in which the higher risk has the earlier event.

    A pair is comparable if the earlier of its times is that of an event, or if the times are equal and one of the two
    is an event. Equal risks count one half. (Harrell et al., Journal of the American Medical Association 1982.)

    Parameters
    ----------
    time, event, risk
        Shape (rows,); event is true where the time is that of the event.
    weight
        Weights of the rows: a pair weighs their product.

    Raises
    ------
    ArgumentError
        If no pair is comparable.

    Examples
    --------
    >>> time, event = np.array([1.0, 2.0, 3.0]), np.array([True, False, True])
    >>> concordance_index(time, event, risk=np.array([0.5, 0.9, 0.1]))
    0.5
    """
    return float(np.average(concordance_rows(time, event, risk=risk, weight=weight), weights=weight))


def concordance_rows(
    time: np.ndarray, event: np.ndarray, *, risk: np.ndarray, weight: np.ndarray | None = None
) -> np.ndarray:
    """What each row adds to the concordance index: their weighted mean is the index, and its error that of a mean.

    With c_i and p_i the concordant and the comparable pairs of row i, the index is C = sum c_i / sum p_i, and a row
    adds C + 2 n (c_i - C p_i) / sum p_i: twice the projection of a ratio of U-statistics of degree two, whose
    variance is that of the jackknife. Arguments and errors are those of :func:`concordance_index`; a sort for
    each doubling of the rows makes it n log^2 n.

    Returns
    -------
    ndarray
        Shape (rows,).
    """
    each = np.ones(len(time)) if weight is None else np.asarray(weight, dtype=np.float64)
    event = np.asarray(event, dtype=bool)
    # Rows of one time and kind are never comparable; at one time the censored outlive the events.
    moments = np.unique(np.column_stack([time, ~event]), axis=0, return_inverse=True)[1].reshape(-1)
    levels = np.unique(risk, return_inverse=True)[1].reshape(-1)

    def pairs(levels: np.ndarray) -> np.ndarray:
        as_first = _later_and_lower(moments, levels, each) * event
        as_second = _later_and_lower(moments.max() - moments, levels.max() - levels, each * event)
        return np.asarray(as_first + as_second)

    concordant, comparable = pairs(levels), 2 * pairs(np.zeros_like(levels))
    total = each @ comparable
    if total == 0:
        raise refusal(
            "target",
            expected="an event before another row's time",
            received="no comparable pair of rows",
            remedy="bring more rows, or rows that were observed for longer",
        )
    index = (each @ concordant) / total
    return np.asarray(index + 2 * each.sum() * (concordant - index * comparable) / total)


def _later_and_lower(moments: np.ndarray, levels: np.ndarray, credit: np.ndarray) -> np.ndarray:
    """For each row the credit of the rows with a later moment and a lower level, half of it for an equal level.

    Two moments differ first in one binary digit; so each pair is met once, where the digit of one is 0 and that
    of the other 1 and all higher digits agree.
    """
    found = np.zeros(len(moments))
    for digit in range(int(moments.max()).bit_length()):
        block, late = moments >> (digit + 1), (moments >> digit) & 1 == 1
        keys = block * (levels.max() + 1) + levels
        later = np.flatnonzero(late)[np.argsort(keys[late], kind="stable")]
        sums = np.concatenate([[0.0], np.cumsum(credit[later])])
        lower, equal = (np.searchsorted(keys[later], keys[~late], side=side) for side in ("left", "right"))
        start = np.searchsorted(keys[later], block[~late] * (levels.max() + 1))
        found[~late] += (sums[lower] + sums[equal]) / 2 - sums[start]
    return found


def breslow_baseline(
    time: np.ndarray, event: np.ndarray, *, log_risk: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Breslow's estimate of the cumulative baseline hazard (Breslow, Biometrics 1974).

    At each time of events it rises by their number over the sum of the risks of all rows still under observation.

    Parameters
    ----------
    time, event, log_risk
        Shape (rows,), of the rows that the model was fitted on.
    weight
        Weights of the rows.

    Returns
    -------
    times
        The distinct times of events, rising, shape (n_times,).
    cumulative_hazard
        The cumulative hazard of a row of log risk 0 at these times, shape (n_times,).

    Examples
    --------
    >>> time, event = np.array([2.0, 1.0, 3.0]), np.array([True, True, False])
    >>> breslow_baseline(time, event, log_risk=np.zeros(3))
    (array([1., 2.]), array([0.33333333, 0.83333333]))
    """
    each = np.ones(len(time)) if weight is None else np.asarray(weight, dtype=np.float64)
    event = np.asarray(event, dtype=bool)
    times, codes = np.unique(time[event], return_inverse=True)
    events = np.bincount(codes, weights=each[event], minlength=len(times))
    order = np.argsort(time, kind="stable")
    # Taken out of the sums and put back, so that no risk overflows.
    largest = log_risk.max()
    risks = (each * np.exp(log_risk - largest))[order]
    still = np.cumsum(risks[::-1])[::-1]
    at_risk = still[np.searchsorted(time[order], times)]
    steps = np.divide(events, at_risk, out=np.zeros_like(events), where=events > 0)
    return times, np.cumsum(steps) * np.exp(-largest)


def cumulative_hazard_function(
    times: np.ndarray, cumulative_hazard: np.ndarray, *, log_risk: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """The cumulative hazard of rows at moments: the baseline's last step up to each, times the risk.

    Parameters
    ----------
    times, cumulative_hazard
        From :func:`breslow_baseline`.
    log_risk
        Shape (rows,).
    at
        Moments, shape (n_moments,); before the first event the hazard is 0, after the last it stands still.

    Returns
    -------
    ndarray
        Shape (rows, n_moments).

    Raises
    ------
    ArgumentError
        If a moment is NaN.
    """
    if np.isnan(at).any():
        raise refusal("times", expected="numbers", received="NaN among them", remedy="leave it out")
    steps = np.concatenate([[0.0], cumulative_hazard])[np.searchsorted(times, at, side="right")]
    # By logarithms: an infinite risk times no hazard would be NaN.
    with np.errstate(over="ignore", divide="ignore"):
        return np.asarray(np.exp(log_risk[:, None] + np.log(steps)))


def survival_function(
    times: np.ndarray, cumulative_hazard: np.ndarray, *, log_risk: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """The probability that the event has not happened by each moment: exp of minus the cumulative hazard.

    Arguments, shapes and errors are those of :func:`cumulative_hazard_function`.

    Examples
    --------
    >>> times, hazard = np.array([1.0, 2.0]), np.array([0.1, 0.3])
    >>> survival_function(times, hazard, log_risk=np.zeros(1), at=np.array([0.5, 1.0, 9.0])).round(3)
    array([[1.   , 0.905, 0.741]])
    """
    return np.asarray(np.exp(-cumulative_hazard_function(times, cumulative_hazard, log_risk=log_risk, at=at)))
