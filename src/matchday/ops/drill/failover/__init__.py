"""The failover drill: one fault after another under open-loop load, and the money asked after each."""
