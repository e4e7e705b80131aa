"""What watches, foresees and sizes the platform; it may start and stop processes, and writes none of their messages."""
