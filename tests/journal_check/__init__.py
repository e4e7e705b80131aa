"""The outsider that checks a replay's journal: ``tests/check_journal.py`` is its command and says the format.

Shares no code with the platform and needs only the standard library, so that a fault of the platform cannot hide in it.
``journal`` hands each line to the part that judges it; ``state`` is what all parts know; ``provider``, ``results`` and
``lines`` are the rules.
"""
