"""Where a decision acts: the local cluster, Kubernetes, an AWS or Google group of machines."""
