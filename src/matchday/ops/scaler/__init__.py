"""``matchday autoscale``: as many processes as the crowd that comes will need, ready when it comes (docs/autoscaling.md)."""
