"""The edge: thin doors. Parse, call the room, answer."""
