"""Ops: what watches and moves rooms and the engines under them. It writes no message of a room and no entry."""
