"""What operators see of requests: the access log, metrics, traces and the status page."""
