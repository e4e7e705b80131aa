"""``matchday autoscale``: as many processes as the crowd that comes will need, ready for it (docs/autoscaling.md)."""
