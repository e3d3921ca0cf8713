"""Numbers that are no time: refused, and quickly."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.mapping.faults import ValueFault
from connector.mapping.timestamps import epoch_seconds, normalized_occurred, utc_text

UNITS = [None, "s", "ms", "us", "ns", "days"]


@pytest.mark.timeout(5)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "number", ["1E+31", "-1E+31", "1E+99999999", "-1E+99999999", "NaN", "sNaN", "Infinity", "-Infinity"]
)
def test_a_decimal_outside_the_calendar_is_refused_without_writing_it_out(number: str, unit: str | None) -> None:
    for read in (utc_text, epoch_seconds):
        with pytest.raises(ValueFault, match="outside the years 1 to 9999"):
            read(Decimal(number), unit)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("number", ["0E+50", "1E-9999", "0", "0.4"])
def test_what_is_next_to_nothing_is_the_beginning(number: str, unit: str | None) -> None:
    if (number, unit) == ("0.4", "days"):
        assert utc_text(Decimal(number), unit) == "1970-01-01T09:36:00"
    else:
        assert utc_text(Decimal(number), unit) == "1970-01-01T00:00:00"


def test_occurred_that_is_no_time_is_left_for_the_models() -> None:
    number = Decimal("1E+99999999")
    assert normalized_occurred(number) is number
