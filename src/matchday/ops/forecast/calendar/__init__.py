"""Fixture calendars in four formats in, kick-offs in UTC out.

A fixture may be moved or cancelled: its old window is kept, so that a policy never lets capacity go on the word of a
calendar alone.
"""

from matchday.ops.forecast.calendar.fixture import Calendar, Fixture
from matchday.ops.forecast.calendar.read import read

__all__ = ["Calendar", "Fixture", "read"]
