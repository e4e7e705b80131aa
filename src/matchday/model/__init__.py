"""The words of the field as values: pure, no I/O, no clock, no float in money or price."""
